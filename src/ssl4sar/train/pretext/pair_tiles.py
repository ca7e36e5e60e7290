"""Validation of the pretext tasks: every tile of every validation image, always the same.

Nothing is resized or mirrored, and a tile is always masked alike. Errors are summed up, so that
processes can share the tiles. Source of the tiles: the published code of SSL4SAR (Gourmelon et
al. 2025, doi:10.1109/TGRS.2025.3580945).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ssl4sar.config.pretext import OptSimMIMConfig, PretextConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.seeding import generator
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.models.pretext import PretextNetwork
from ssl4sar.models.token_mask import draw_token_mask, token_count
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.data import batch_loader
from ssl4sar.train.loop.sampling import Window
from ssl4sar.train.pretext.pair_crops import PairBatch, PairDataset
from ssl4sar.train.pretext.pair_resize import pairs_on_device
from ssl4sar.train.pretext.pair_sampling import PairDraw, padding


@dataclass(frozen=True)
class PretextTotals:
    """Sums over tiles, from which the validation loss follows.

    Attributes:
        absolute: sum of absolute errors, in parts of the optical range 0-1.
        counted: number of values that count.
        tiles: number of tiles.
    """

    absolute: float = 0.0
    counted: int = 0
    tiles: int = 0

    def as_tensor(self) -> Tensor:
        """Return the sums as (3,) float64, exact for counts below 2**53."""
        return torch.tensor([self.absolute, self.counted, self.tiles], dtype=torch.float64)

    @classmethod
    def from_tensor(cls, sums: Tensor) -> Self:
        """Return the sums of :meth:`as_tensor`, e.g. added over processes."""
        absolute, counted, tiles = sums.tolist()
        return cls(absolute, int(counted), int(tiles))

    @property
    def mean(self) -> float:
        """Mean absolute error of the values that count: the validation loss.

        Raises:
            UserError: no value counts.
        """
        if not self.counted:
            raise UserError(
                "validation images",
                f"no pixel of the {self.tiles} tiles counts: their optical images have no data",
                "give a validation glacier with optical data, or set ignore_no_data: false",
            )
        return self.absolute / self.counted


class TileSample(NamedTuple):
    """One tile to look at, as the network gets it.

    Attributes:
        name: SAR image.
        number: number of the tile in its image, row by row.
        sar: (1, S, S) float32, values 0-1.
        optical: (14, S, S) float32, values 0-1.
        valid: (1, S, S) bool, False where the optical image has no data.
        inside: (S, S) bool, False where an image smaller than the tile is mirrored.
        masked: (M,) int32, numbers of the masked tokens; None for a task without masks.
    """

    name: str
    number: int
    sar: Tensor
    optical: Tensor
    valid: Tensor
    inside: Tensor
    masked: Tensor | None


class _Tile(NamedTuple):
    name: str
    window: Window
    number: int


class _TileDraws:
    """Tiles as draws in which nothing but the masks is random."""

    def __init__(
        self, tiles: Sequence[_Tile], input_px: int, config: PretextConfig, seed: int
    ) -> None:
        self._tiles = tiles
        self._input_px = input_px
        self._config = config
        self._seed = seed

    def draw(self, epoch: int, index: int) -> PairDraw:
        del epoch
        return PairDraw(self._tiles[index].window)

    def mask(self, epoch: int, index: int) -> NDArray[np.bool_] | None:
        if not isinstance(self._config, OptSimMIMConfig):
            return None
        tile = self._tiles[index]
        by_epoch = (epoch,) if self._config.legacy_random_validation_masks else ()
        random = generator(self._seed, "validation mask", tile.name, tile.number, *by_epoch)
        return draw_token_mask(random, token_count(self._input_px), self._config.mask_ratio)


def tile_windows(image: int, height_px: int, width_px: int, input_px: int) -> list[Window]:
    """Return the tiles of an image, row by row: windows of S with stride S/2.

    They cover the image with mirrored margins of more than S/2 and at most S in all, which gives
    (floor(H / (S/2)) + 1) (floor(W / (S/2)) + 1) tiles.

    Args:
        image: number of the image.
        height_px: rows H.
        width_px: columns W.
        input_px: side S of a tile.
    """
    step_px = input_px // 2
    starts = []
    for length_px in (height_px, width_px):
        padded = padding(length_px, step_px)
        last = padded.length_px - input_px
        starts.append(range(-padded.before_px, last - padded.before_px + 1, step_px))
    rows, columns = starts
    return [Window(image, row, column, input_px, input_px) for row in rows for column in columns]


def inside_window(window: Window, height_px: int, width_px: int) -> Window:
    """Move a tile into its image; where a side of the image is shorter, centre it on that side.

    Args:
        window: the tile, which may reach beyond the image.
        height_px: rows of the image.
        width_px: columns of the image.
    """
    row, column = (
        max(0, min(start, length - side)) if length >= side else (length - side) // 2
        for start, length, side in (
            (window.row, height_px, window.height_px),
            (window.column, width_px, window.width_px),
        )
    )
    return replace(window, row=row, column=column)


class PairTiles:
    """The tiles of the validation images.

    Args:
        store: the images.
        scenes: numbers in ``store`` of the validation images.
        input_px: side S of a tile, the network's input.
        config: the recipe; that of OptSimMIM masks tokens.
        seed: seed of the run.
        workers: processes that read tiles in a validation; 0 reads in the training process.
    """

    def __init__(
        self,
        store: PairStore,
        scenes: Sequence[int],
        input_px: int,
        config: PretextConfig,
        seed: int,
        workers: int = 0,
    ) -> None:
        self.input_px = input_px
        self.workers = workers
        self.config = config
        self._tiles = [
            _Tile(scene.name, window, number)
            for image, scene in enumerate(store.scenes[number] for number in scenes)
            for number, window in enumerate(
                tile_windows(image, scene.height, scene.width, input_px)
            )
        ]
        self._sizes_px = [(store.scenes[i].height, store.scenes[i].width) for i in scenes]
        inside = [
            tile._replace(window=inside_window(tile.window, *self._sizes_px[tile.window.image]))
            for tile in self._tiles
        ]
        self._dataset, self._shown = (
            PairDataset(store, scenes, _TileDraws(drawn, input_px, config, seed))
            for drawn in (self._tiles, inside)
        )

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._tiles)

    @torch.no_grad()
    def validate(
        self, network: PretextNetwork, device: torch.device, rank: int, world_size: int, epoch: int
    ) -> PretextTotals:
        """Sum up the errors of every ``world_size``-th tile from number ``rank`` on.

        Args:
            network: in evaluation mode, on ``device``.
            device: where it computes.
            rank: number of this process.
            world_size: number of processes.
            epoch: number from 0; it matters only for masks as in the original code.
        """
        own = range(rank, len(self), world_size)
        # Not looked at before the end, so that a GPU is never waited for in between.
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        for batch in self._batches(own, epoch, pin_memory=device.type == "cuda"):
            moved = batch.to(device, non_blocking=True)
            pairs = pairs_on_device(moved, self.input_px, ignore_no_data=self.config.ignore_no_data)
            errors = network.errors(pairs.sar, pairs.optical, pairs.valid, moved.masked)
            sums += torch.stack([errors.absolute.double().sum(), errors.counted.double().sum()])
        absolute, counted = sums.tolist()
        return PretextTotals(absolute, int(counted), len(own))

    def chosen(self, count: int) -> list[TileSample]:
        """Return tiles to look at, evenly spread over all of them, each moved into its image.

        Mirrored margins, which the validation needs to cover an image, would look like ground.

        Args:
            count: how many; all where there are fewer.
        """
        count = min(count, len(self))
        samples = []
        for index in ((2 * i + 1) * len(self) // (2 * count) for i in range(count)):
            batch = self._shown[BatchKey(0, (index,))]
            pairs = pairs_on_device(batch, self.input_px)
            window = batch.draws[0].window
            height_px, width_px = self._sizes_px[window.image]
            rows = torch.arange(window.row, window.row + window.height_px)[:, None]
            columns = torch.arange(window.column, window.column + window.width_px)
            inside = (rows >= 0) & (rows < height_px) & (columns >= 0) & (columns < width_px)
            samples.append(
                TileSample(
                    batch.names[0],
                    self._tiles[index].number,
                    pairs.sar[0],
                    pairs.optical[0],
                    pairs.valid[0],
                    inside,
                    None if batch.masked is None else batch.masked[0],
                )
            )
        return samples

    def _batches(self, tiles: range, epoch: int, *, pin_memory: bool) -> DataLoader[PairBatch]:
        size = self.config.batch_size
        keys = [
            BatchKey(epoch, tuple(tiles[start : start + size]))
            for start in range(0, len(tiles), size)
        ]
        return batch_loader(self._dataset, keys, self.workers, pin_memory=pin_memory)
