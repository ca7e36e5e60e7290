"""Zones and probabilities of the scenes of a CaFFe tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid, size_difference
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.image import GeoImage, read_image, write_image
from ssl4sar.core.zones import CLASS_COUNT, greys_from_classes
from ssl4sar.dataset.series import SeriesScene
from ssl4sar.models.network import FRONT, SeriesNetwork, ZoneNetwork
from ssl4sar.predict.date_mean import zones_by_date_mean
from ssl4sar.predict.probabilities import ProbabilityReader, write_probabilities
from ssl4sar.predict.scenes import predict_scenes


def predict_tree(
    network: ZoneNetwork,
    tree: CaffeTree,
    split: Split,
    names: Sequence[str],
    out_zones: Path,
    out_probabilities: Path,
    config: PredictionConfig,
    device: torch.device | str,
    info: Mapping[str, Any],
    grids: Mapping[str, Grid] | None = None,
) -> dict[str, Any]:
    """Predict scenes and write their zones and probabilities.

    A temporal network sees each of them with others of the same split (``config.series``), of which
    no label is read; neither is one for the mean over dates (``config.date_mean``).

    Args:
        network: in evaluation mode, on ``device``; its outputs are the four zones and perhaps the
            front.
        tree: where the SAR images are.
        split: split of the scenes.
        names: scene names.
        out_zones: folder for ``NAME.png`` with the grey values of the zones, or ``NAME.tif`` where
            the image has coordinates; it appears complete or not at all and replaces an older one.
        out_probabilities: file of :mod:`ssl4sar.predict.probabilities`.
        config: how the network is applied.
        device: where the network is.
        info: facts about the checkpoint, passed into the manifest.
        grids: coordinates by scene name, of images whose files have none.

    Returns:
        Manifest: ``info``, ``split``, ``prediction`` (the configuration) and ``scenes``, which
        maps each name to ``sha256`` of the zone file, ``shape`` [H, W] in pixels, where known
        ``grid``, and of a temporal network ``frames``, the names of the scenes that it saw.

    Raises:
        ValueError: the network has other outputs, or is in training mode.
        UserError: no scene, a missing or damaged image, NaN, or a full disk.
    """
    if network.out_channels not in {CLASS_COUNT, FRONT + 1}:
        raise ValueError(f"the network has {network.out_channels} outputs, not {CLASS_COUNT}")
    if not names:
        raise UserError(tree.root, f"no scene of split {split} to predict", "check the scene list")

    def read(name: str) -> GeoImage:
        path = tree.sar(split, name)
        image, grid = read_image(path)
        grid = grid or (grids or {}).get(name)
        fault = grid and size_difference(image.shape, grid.shape, "its listed grid")
        if fault:
            raise UserError(path, fault, "validate the tree again")
        return GeoImage(image, grid)

    scenes: dict[str, dict[str, Any]] = {}
    with atomic_directory(out_zones) as zones:

        def write(name: str, classes: NDArray[np.uint8], grid: Grid | None) -> None:
            path = write_image(zones / name, greys_from_classes(classes), grid)
            scenes[name]["sha256"] = sha256_file(path)

        with write_probabilities(out_probabilities) as probability_file:
            predicted = predict_scenes(network, split, names, read, config, device)
            for name, grid, probabilities, frames in predicted:
                probability_file.add(name, probabilities)
                scenes[name] = {"shape": list(probabilities.shape[1:])}
                if grid is not None:
                    scenes[name]["grid"] = grid.to_json()
                if frames is not None:
                    scenes[name]["frames"] = frames
                if not config.date_mean.share:
                    write(name, probabilities[:CLASS_COUNT].argmax(0).astype(np.uint8), grid)
        if config.date_mean.share:
            found = {name: Grid.from_json(s["grid"]) for name, s in scenes.items() if "grid" in s}
            dated = [
                SeriesScene.of_name(name, split, tuple(scene["shape"]), found.get(name))
                for name, scene in scenes.items()
            ]
            with ProbabilityReader(out_probabilities) as reader:
                for name, classes in zones_by_date_mean(reader.read, dated, config.date_mean):
                    write(name, classes, found.get(name))
    return {
        "info": dict(info),
        "split": split,
        "prediction": config.model_dump(mode="json", exclude=_unread(network, config)),
        "scenes": {name: scenes[name] for name in names},
    }


def _unread(network: ZoneNetwork, config: PredictionConfig) -> set[str]:
    """Return the keys of the configuration that have no meaning here."""
    series = set() if isinstance(network, SeriesNetwork) else {"series"}
    return series if config.date_mean.share else {*series, "date_mean"}
