"""Zones and probabilities of the scenes of a CaFFe tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid, size_difference
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.image import read_image, write_image
from ssl4sar.core.progress import track
from ssl4sar.core.zones import CLASS_COUNT, greys_from_classes
from ssl4sar.models.network import FRONT, ZoneNetwork
from ssl4sar.models.sliding_window import predict_probabilities
from ssl4sar.predict.probabilities import write_probabilities


def predict_tree(
    network: ZoneNetwork,
    tree: CaffeTree,
    split: Split,
    names: Sequence[str],
    out_zones: Path,
    out_probabilities: Path | None,
    config: PredictionConfig,
    device: torch.device | str,
    info: Mapping[str, Any],
    grids: Mapping[str, Grid] | None = None,
) -> dict[str, Any]:
    """Predict scenes one by one and write their zones and probabilities.

    Args:
        network: in evaluation mode, on ``device``; its outputs are the four zones and perhaps the
            front.
        tree: where the SAR images are.
        split: split of the scenes.
        names: scene names.
        out_zones: folder for ``NAME.png`` with the grey values of the zones, or ``NAME.tif`` where
            the image has coordinates; it appears complete or not at all and replaces an older one.
        out_probabilities: file of :mod:`ssl4sar.predict.probabilities`, or None for none.
        config: how the network is applied.
        device: where the network is.
        info: facts about the checkpoint, passed into the manifest.
        grids: coordinates by scene name, of images whose files have none.

    Returns:
        Manifest: ``info``, ``split``, ``prediction`` (the configuration) and ``scenes``, which
        maps each name to ``sha256`` of the zone file, ``shape`` [H, W] in pixels and, where
        known, ``grid``.

    Raises:
        ValueError: the network has other outputs, or is in training mode.
        UserError: no scene, a missing or damaged image, NaN, or a full disk.
    """
    if network.out_channels not in {CLASS_COUNT, FRONT + 1}:
        raise ValueError(f"the network has {network.out_channels} outputs, not {CLASS_COUNT}")
    if not names:
        raise UserError(tree.root, f"no scene of split {split} to predict", "check the scene list")
    scenes: dict[str, dict[str, Any]] = {}
    storage = nullcontext() if out_probabilities is None else write_probabilities(out_probabilities)
    with atomic_directory(out_zones) as zones, storage as probability_file:
        for name in track(names, "predicting scenes"):
            image, grid = read_image(tree.sar(split, name))
            grid = grid or (grids or {}).get(name)
            fault = grid and size_difference(image.shape, grid.shape, "its listed grid")
            if fault:
                raise UserError(tree.sar(split, name), fault, "validate the tree again")
            probabilities = predict_probabilities(network, image, config, device, subject=name)
            classes = probabilities[:CLASS_COUNT].argmax(0).astype(np.uint8)
            path = write_image(zones / name, greys_from_classes(classes), grid)
            if probability_file is not None:
                probability_file.add(name, probabilities)
            scenes[name] = {"sha256": sha256_file(path), "shape": list(image.shape)}
            if grid is not None:
                scenes[name]["grid"] = grid.to_json()
    return {
        "info": dict(info),
        "split": split,
        "prediction": config.model_dump(mode="json"),
        "scenes": scenes,
    }
