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
        return _read(tree.sar(split, name), (grids or {}).get(name))

    scenes: dict[str, dict[str, Any]] = {}
    by_date_mean: list[SeriesScene] = []
    with atomic_directory(out_zones) as zones:

        def write(name: str, classes: NDArray[np.uint8], grid: Grid | None) -> None:
            path = write_image(zones / name, greys_from_classes(classes), grid)
            scenes[name]["sha256"] = sha256_file(path)

        with write_probabilities(out_probabilities) as probability_file:
            predicted = predict_scenes(network, split, names, read, config, device)
            for name, grid, probabilities, frames in predicted:
                probability_file.add(name, probabilities)
                _, height, width = probabilities.shape
                scenes[name] = {"shape": [height, width]}
                if grid is not None:
                    scenes[name]["grid"] = grid.to_json()
                if frames is not None:
                    scenes[name]["frames"] = frames
                if config.date_mean.share:
                    scene = SeriesScene.of_name(name, split, (height, width), grid)
                    by_date_mean.append(scene)
                else:
                    write(name, probabilities[:CLASS_COUNT].argmax(0).astype(np.uint8), grid)
        if by_date_mean:
            with ProbabilityReader(out_probabilities) as reader:
                blended = zones_by_date_mean(reader.read, by_date_mean, config.date_mean)
                for scene, classes in blended:
                    write(scene.name, classes, scene.grid)
    return {
        "info": dict(info),
        "split": split,
        "prediction": config.model_dump(mode="json", exclude=_unread(network, config)),
        "scenes": {name: scenes[name] for name in names},
    }


def _read(path: Path, listed: Grid | None) -> GeoImage:
    """Read an image with its own coordinates, or else the listed ones."""
    image, grid = read_image(path)
    grid = grid or listed
    fault = grid and size_difference(image.shape, grid.shape, "its listed grid")
    if fault:
        raise UserError(path, fault, "validate the tree again")
    return GeoImage(image, grid)


def _unread(network: ZoneNetwork, config: PredictionConfig) -> set[str]:
    """Return the keys of the configuration that have no meaning here."""
    series = set() if isinstance(network, SeriesNetwork) else {"series"}
    return series if config.date_mean.share else {*series, "date_mean"}
