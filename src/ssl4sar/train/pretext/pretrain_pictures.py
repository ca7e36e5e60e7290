"""Pictures of a pretext task in the making: what the network sees, predicts, and should predict.

Each drawn epoch is a small file in the resume folder, so that an interrupted pretraining loses
none. After every drawing all of them are gathered into one file of arrays beside that folder, so
that one may look while the training runs, and in the end into the one that the report draws.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.pair_layout import RGB_CHANNELS
from ssl4sar.models.pretext import PretextNetwork
from ssl4sar.models.token_mask import TOKEN_PX
from ssl4sar.train.pretext.pair_tiles import PairTiles, TileSample

_NAME = "epoch{:05d}.npy"


class PretextPictures:
    """The pictures of one pretraining.

    Args:
        tiles: the validation tiles.
        count: how many of them are drawn.
        folder: where pictures of single epochs are; those up to the last drawn epoch are in an
            npz file of the same name beside it.
        synthetic: whether the images are rendered, not observed.
    """

    def __init__(self, tiles: PairTiles, count: int, folder: Path, *, synthetic: bool) -> None:
        self._samples = tiles.chosen(count)
        self._folder = folder
        self._synthetic = synthetic

    def clear(self) -> None:
        """Remove the pictures of an earlier training."""
        for path in (*self._folder.glob("*.npy"), self._so_far):
            path.unlink(missing_ok=True)

    @torch.no_grad()
    def draw(self, network: PretextNetwork, device: torch.device, epoch: int) -> None:
        """Predict the chosen tiles, save the pictures of an epoch, gather those so far.

        Args:
            network: in evaluation mode, on ``device``.
            device: where it computes.
            epoch: number from 1.
        """
        drawn = []
        for sample in self._samples:
            masked = None if sample.masked is None else sample.masked[None].to(device)
            predicted = network.picture(sample.sar[None].to(device), masked)
            drawn.append(_bytes(predicted[0, list(RGB_CHANNELS)], sample))
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._path(epoch)) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.stack(drawn), allow_pickle=False)
        self.gather(self._so_far, range(1, epoch + 1))

    def drawn(self, epochs: Iterable[int]) -> list[int]:
        """Return which of some epochs were drawn, with as many tiles as are asked for now."""
        return [
            epoch
            for epoch in epochs
            if self._path(epoch).is_file()
            and len(np.load(self._path(epoch), mmap_mode="r")) == len(self._samples)
        ]

    def gather(self, path: Path, epochs: Iterable[int]) -> None:
        """Write all pictures of a training into one npz file, atomically.

        Arrays: ``epochs`` (E,), ``names`` (N,), ``synthetic`` () bool, ``sar`` (N, S, S),
        ``masked`` (N, S, S): 1 in masked tokens, missing where the task masks nothing, ``true``
        (N, 3, S, S) and ``predicted`` (E, N, 3, S, S): red, green, blue; the images are uint8,
        0 beyond an image that is smaller than a tile.

        Args:
            path: file.
            epochs: the epochs of the training, from 1.

        Raises:
            UserError: the disk is full.
            ValueError: none of these epochs was drawn.
        """
        drawn = self.drawn(epochs)
        arrays = {
            "epochs": np.array(drawn, np.int64),
            "names": np.array([sample.name for sample in self._samples]),
            "synthetic": np.array(self._synthetic),
            "sar": np.stack([_bytes(sample.sar[0], sample) for sample in self._samples]),
            "true": np.stack([_bytes(s.optical[list(RGB_CHANNELS)], s) for s in self._samples]),
            "predicted": np.stack(
                [np.load(self._path(epoch), allow_pickle=False) for epoch in drawn]
            ),
        }
        masked = self._masked()
        if masked is not None:
            arrays["masked"] = masked
        with atomic_file(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)

    def _masked(self) -> NDArray[np.uint8] | None:
        shown = []
        for sample in self._samples:
            if sample.masked is None:
                return None
            side = sample.sar.shape[-1] // TOKEN_PX
            tokens = torch.zeros(side * side, dtype=torch.uint8)
            tokens[sample.masked.long()] = 1
            rows = tokens.view(side, side).repeat_interleave(TOKEN_PX, 0)
            shown.append(rows.repeat_interleave(TOKEN_PX, 1).numpy())
        return np.stack(shown)

    @property
    def _so_far(self) -> Path:
        return self._folder.with_suffix(".npz")

    def _path(self, epoch: int) -> Path:
        return self._folder / _NAME.format(epoch)


def _bytes(values: torch.Tensor, sample: TileSample) -> NDArray[np.uint8]:
    """Return (..., S, S) values 0-1 as bytes, black beyond the image."""
    scaled = (values.detach().float().cpu().clamp(0, 1) * 255).round() * sample.inside
    return scaled.to(torch.uint8).numpy()
