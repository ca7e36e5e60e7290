"""Pictures of a pretext task in the making: what the network sees, predicts, and should predict.

Each drawn epoch is a small file in the resume folder, so that an interrupted pretraining loses
none; in the end they are gathered into one file of arrays, which the report draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import RGB_CHANNELS
from ssl4sar.models.pretext import PretextNetwork
from ssl4sar.models.token_mask import TOKEN_PX
from ssl4sar.train.pair_tiles import PairTiles

_NAME = "epoch{:05d}.npy"


class PretextPictures:
    """The pictures of one pretraining.

    Args:
        tiles: the validation tiles.
        count: how many of them are drawn.
        folder: where pictures of single epochs lie.
    """

    def __init__(self, tiles: PairTiles, count: int, folder: Path) -> None:
        self._samples = tiles.chosen(count)
        self._folder = folder

    def clear(self) -> None:
        """Remove the pictures of an earlier training."""
        for path in self._folder.glob("*.npy"):
            path.unlink()

    def draw(self, network: PretextNetwork, device: torch.device, epoch: int) -> None:
        """Predict the chosen tiles and keep the pictures of an epoch (from 1)."""
        drawn = []
        for sample in self._samples:
            masked = None if sample.masked is None else sample.masked[None].to(device)
            predicted = network.picture(sample.sar[None].to(device), masked)
            drawn.append(_bytes(predicted[0, list(RGB_CHANNELS)]))
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._path(epoch)) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.stack(drawn), allow_pickle=False)

    def drawn(self, epochs: Sequence[int]) -> list[int]:
        """Return which of some epochs were drawn, with as many tiles as are asked for now."""
        return [
            epoch
            for epoch in epochs
            if self._path(epoch).is_file()
            and len(np.load(self._path(epoch), mmap_mode="r")) == len(self._samples)
        ]

    def gather(self, path: Path, epochs: Sequence[int]) -> None:
        """Write all pictures of a training into one npz file, atomically.

        Arrays: ``epochs`` (E,), ``names`` (N,), ``sar`` (N, S, S), ``masked`` (N, S, S): 1
        in masked tokens, missing where the task masks nothing, ``true`` (N, 3, S, S) and
        ``predicted`` (E, N, 3, S, S): red, green, blue; all but the first two uint8.

        Args:
            path: file.
            epochs: the epochs of the training, from 1.

        Raises:
            UserError: somebody removed the pictures, or the disk is full.
        """
        drawn = self.drawn(epochs)
        if not drawn:
            raise UserError(
                self._folder,
                "the pictures of the pretraining are gone",
                "remove the resume folder around it and rerun: the pretraining starts anew",
            )
        arrays = {
            "epochs": np.array(drawn, np.int64),
            "names": np.array([sample.name for sample in self._samples]),
            "sar": np.stack([_bytes(sample.sar[0]) for sample in self._samples]),
            "true": np.stack([_bytes(s.optical[list(RGB_CHANNELS)]) for s in self._samples]),
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
            rows = sample.masked.reshape(side, side).repeat_interleave(TOKEN_PX, 0)
            hidden = rows.repeat_interleave(TOKEN_PX, 1)
            shown.append(hidden.to(torch.uint8).numpy())
        return np.stack(shown)

    def _path(self, epoch: int) -> Path:
        return self._folder / _NAME.format(epoch)


def _bytes(values: torch.Tensor) -> NDArray[np.uint8]:
    scaled = (values.detach().float().clamp(0, 1) * 255).round()
    return scaled.to(torch.uint8).cpu().numpy()
