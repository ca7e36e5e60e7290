"""Training on series: which crops belong together, and what a temporal network makes of them.

All images of a sample show the same part of a glacier, whatever their grids, with the same flips,
rotation and warp; grey values are changed in each by itself. Like all draws they follow from (seed,
epoch, index) alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ssl4sar.config.series import SeriesConfig
from ssl4sar.dataset.series import SeriesScene, area_partners, random_frames
from ssl4sar.models.network import SeriesNetwork
from ssl4sar.train.finetune.crops import CropBatch, CropDataset
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import SampleDraw, SampleDrawer, SceneShape, Window


@dataclass(frozen=True)
class SeriesDraw:
    """One training sample of several images.

    Attributes:
        frames: the crop of every image, by day.
        days: days of the images since 1995-01-01, ascending.
        predicted: places in ``frames`` of the images whose loss counts.
        reference: place in ``frames`` of the image that was drawn first.
    """

    frames: tuple[SampleDraw, ...]
    days: tuple[int, ...]
    predicted: tuple[int, ...]
    reference: int


class SeriesDrawer:
    """Draws training samples of several images.

    Args:
        drawer: what each reference is, and how images are changed.
        scenes: the training images, in the order of their numbers.
        config: which other images are seen with a reference.
    """

    def __init__(
        self, drawer: SampleDrawer, scenes: Sequence[SeriesScene], config: SeriesConfig
    ) -> None:
        self.drawer = drawer
        self.scenes = tuple(scenes)
        self.config = config
        self._number = {scene.name: number for number, scene in enumerate(scenes)}
        self._partners: dict[int, tuple[SeriesScene, ...]] = {}

    def draw(self, epoch: int, index: int) -> SeriesDraw:
        """Return sample ``index`` of ``epoch``; its reference is that of training on single images.

        Raises:
            UserError: an image that was drawn is of another split than the reference.
        """
        draw, drawer = self.drawer.draw(epoch, index), self.drawer
        reference = self.scenes[draw.window.image]
        partners = self._partners.get(draw.window.image)
        if partners is None:
            partners = area_partners(reference, self.scenes, self.config)
            self._partners[draw.window.image] = partners
        series = random_frames(
            reference, partners, self.config, seed=drawer.seed, epoch=epoch, index=index
        )
        frames = []
        for frame in series.frames:
            number = self._number[frame.name]
            if number == draw.window.image:
                frames.append(draw)
                continue
            own = drawer.drawn(number, epoch, index, frame.name)
            frames.append(
                replace(
                    own,
                    window=window_in(draw.window, drawer.scenes, number),
                    flip_columns=draw.flip_columns,
                    flip_rows=draw.flip_rows,
                    quarter_turns=draw.quarter_turns,
                    warp=draw.warp,
                )
            )
        place = series.frames.index(reference)
        return SeriesDraw(tuple(frames), tuple(series.days), series.predicted, place)


@dataclass(frozen=True)
class SeriesBatch(CropBatch):
    """Crops of series in one buffer, those of one sample behind those of another.

    Attributes:
        series: the samples.
    """

    series: tuple[SeriesDraw, ...] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.series)

    @property
    def images(self) -> list[int]:
        """Numbers of the reference images of the samples."""
        return [draw.frames[draw.reference].window.image for draw in self.series]


class SeriesCropDataset(Dataset[CropBatch]):
    """Batches of training series by (epoch, sample numbers).

    Args:
        crops: cuts the crops.
        drawer: what each sample is.
    """

    def __init__(self, crops: CropDataset, drawer: SeriesDrawer) -> None:
        self.crops = crops
        self.drawer = drawer

    def __getitem__(self, key: BatchKey) -> SeriesBatch:
        """Return the batch of (epoch, sample numbers)."""
        series = tuple(self.drawer.draw(key.epoch, index) for index in key.samples)
        draws = tuple(frame for sample in series for frame in sample.frames)
        return SeriesBatch(self.crops.pixels(draws), draws, key, self.crops.with_fronts, series)


def window_in(window: Window, scenes: Sequence[SceneShape], image: int) -> Window:
    """Return the window of another image that shows the same part of the whole, in whole pixels.

    Args:
        window: window of one image.
        scenes: shapes of the images.
        image: number of the other image.
    """
    one, other = scenes[window.image], scenes[image]
    row, height = _rescaled(window.row, window.height_px, other.height_px / one.height_px)
    column, width = _rescaled(window.column, window.width_px, other.width_px / one.width_px)
    return Window(image, row, column, height, width)


def _rescaled(start: int, length: int, factor: float) -> tuple[int, int]:
    first, end = round(start * factor), round((start + length) * factor)
    return first, max(end - first, 1)


def series_logits(
    network: SeriesNetwork, images: Tensor, series: Sequence[SeriesDraw]
) -> tuple[Tensor, list[int]]:
    """Apply a temporal network to the images of a batch.

    Series of one length go through the network together.

    Args:
        network: the network.
        images: (N, 1, S, S) grey in [0, 1], the images of one sample after those of another.
        series: the samples.

    Returns:
        (M, K, S, S) logits of the images whose loss counts, and their places among the N.
    """
    starts = [0]
    for draw in series:
        starts.append(starts[-1] + len(draw.frames))
    logits: list[Tensor] = []
    places: list[int] = []
    for length in sorted({len(draw.frames) for draw in series}):
        alike = [i for i, draw in enumerate(series) if len(draw.frames) == length]
        rows = torch.tensor([[starts[i] + k for k in range(length)] for i in alike])
        days = torch.tensor([series[i].days for i in alike], device=images.device)
        predicted = torch.tensor([series[i].predicted for i in alike])
        asked = None if predicted.shape[1] == length else predicted
        found = network.forward_series(images[rows.to(images.device), 0], days, asked)
        logits.append(found.flatten(0, 1))
        places += [starts[i] + place for i in alike for place in series[i].predicted]
    return torch.cat(logits), places
