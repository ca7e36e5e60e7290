"""Probabilities of the scenes of a split, one by one or in series, by what the network sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.caffe_layout import Split
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import GeoImage
from ssl4sar.core.progress import log, track
from ssl4sar.dataset.series import Series, SeriesScene, prediction_series
from ssl4sar.models.network import SeriesNetwork, ZoneNetwork
from ssl4sar.models.sliding_window import predict_probabilities, predict_series


class PredictedScene(NamedTuple):
    """A scene as it was predicted.

    Attributes:
        name: scene name.
        grid: where its pixels are; None without coordinates.
        probabilities: (K, H, W) float32: zones, and the front where the network has this output.
        frames: names of the scenes that a temporal network saw, itself among them; None of others.
    """

    name: str
    grid: Grid | None
    probabilities: NDArray[np.float32]
    frames: list[str] | None


def predict_scenes(
    network: ZoneNetwork,
    split: Split,
    names: Sequence[str],
    read: Callable[[str], GeoImage],
    config: PredictionConfig,
    device: torch.device | str,
) -> Iterator[PredictedScene]:
    """Predict every scene once; a temporal network sees it with others of the same split.

    Args:
        network: in evaluation mode, on ``device``.
        split: split of the scenes.
        names: the scenes.
        read: returns the image of a scene. One image is held, or those of one series.
        config: how the network is applied, and what a series is.
        device: where the network is.

    Yields:
        The scenes; where series are predicted whole, in their order.

    Raises:
        UserError: an image cannot be read, NaN, or a name without a date for a temporal network.
    """
    if isinstance(network, SeriesNetwork):
        yield from _in_series(network, split, names, read, config, device)
        return
    for name in track(names, "predicting scenes"):
        pixels, grid = read(name)
        probabilities = predict_probabilities(network, pixels, config, device, subject=name)
        yield PredictedScene(name, grid, probabilities, None)


def _in_series(
    network: SeriesNetwork,
    split: Split,
    names: Sequence[str],
    read: Callable[[str], GeoImage],
    config: PredictionConfig,
    device: torch.device | str,
) -> Iterator[PredictedScene]:
    scenes = []
    for name in track(names, "sorting scenes into series"):
        pixels, grid = read(name)
        scenes.append(SeriesScene.of_name(name, split, (pixels.shape[0], pixels.shape[1]), grid))
    held: dict[str, GeoImage] = {}
    plan = prediction_series(scenes, config.series)
    alone = sum(len(series.frames) == 1 for series in plan)
    if alone and config.series.frames > 1:
        log(f"{alone} of {len(scenes)} images have no other to be seen with: predicted alone")
    for series in track(plan, "predicting scenes"):
        seen = [frame.name for frame in series.frames]
        # Series that follow each other share most images; others are let go before more are read.
        held = {name: image for name, image in held.items() if name in seen}
        for name in seen:
            if name not in held:
                held[name] = read(name)
        images = np.stack([held[name].pixels for name in seen])
        found = predict_series(
            network, images, series.days, series.predicted, config, device, _subject(series)
        )
        for place, probabilities in zip(series.predicted, found, strict=True):
            yield PredictedScene(seen[place], held[seen[place]].grid, probabilities, seen)


def _subject(series: Series) -> str:
    first, *others = (series.frames[place].name for place in series.predicted)
    return f"{first} to {others[-1]}" if others else first
