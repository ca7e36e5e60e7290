"""Pairs are mirrored windows of both images, cut alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_pairs import SyntheticPairs

from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import Window
from ssl4sar.train.pretext.pair_crops import PairDataset
from ssl4sar.train.pretext.pair_sampling import PairDraw

STORE = SyntheticPairs(((40, 60), (33, 17), (70, 90)), no_data=0.1)


class FixedDraws:
    """Hands out given draws by sample number; token ``index + 1`` of 4 is masked, if any is."""

    def __init__(self, *draws, masks=False):
        self.draws = draws
        self.masks = masks

    def draw(self, epoch, index):
        del epoch
        return self.draws[index]

    def mask(self, epoch, index):
        del epoch
        return np.arange(4) == index + 1 if self.masks else None


def mirrored(array, window, margin=200):
    borders = [(margin, margin), (margin, margin), (0, 0)][: array.ndim]
    whole = np.pad(array, borders, mode="symmetric")
    return whole[
        window.row + margin : window.row + margin + window.height_px,
        window.column + margin : window.column + margin + window.width_px,
    ]


def test_pairs_are_mirrored_windows_of_both_images():
    windows = [
        Window(0, 3, 5, 20, 20),
        Window(1, -30, 70, 50, 50),
        Window(1, -1, -1, 35, 19),
        Window(0, 30, 50, 64, 64),
    ]
    dataset = PairDataset(STORE, (2, 1), FixedDraws(*(PairDraw(w) for w in windows)))
    batch = dataset[BatchKey(4, (0, 1, 2, 3), number=7, part=1, weight=0.5)]
    assert len(batch) == 4
    assert batch.pixels.dtype == torch.uint8
    assert batch.pixels.numel() == 16 * (20 * 20 + 50 * 50 + 35 * 19 + 64 * 64)
    for window, pair in zip(windows, batch.pairs(), strict=True):
        number = (2, 1)[window.image]
        assert np.array_equal(pair.sar, mirrored(STORE.sar(number), window))
        assert np.array_equal(pair.optical, mirrored(STORE.optical(number), window))
    assert batch.names == tuple(STORE.scenes[number].name for number in (2, 1, 1, 2))
    assert (batch.key.epoch, batch.key.samples) == (4, (0, 1, 2, 3))
    assert batch.key[2:] == (7, 1, 0.5)


@pytest.mark.parametrize("masks", [True, False])
def test_pixels_and_masked_tokens_move_with_a_batch(masks, monkeypatch):
    draws = [PairDraw(Window(0, 0, 0, 9, 9))] * 3
    dataset = PairDataset(STORE, (0,), FixedDraws(*draws, masks=masks))
    batch = dataset[BatchKey(0, (2, 0))]
    moved = batch.to("meta")
    assert moved.pixels.device.type == "meta"
    if masks:
        assert (batch.masked.tolist(), batch.masked.dtype) == ([[3], [1]], torch.int32)
        assert moved.masked.device.type == "meta"
    else:
        assert batch.masked is moved.masked is None
    # Pinning needs a GPU.
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self)
    batch.pin_memory()
    expected = [batch.pixels, batch.masked] if masks else [batch.pixels]
    assert {id(tensor) for tensor in pinned} == {id(tensor) for tensor in expected}
    assert (moved.draws, moved.names, moved.key) == (batch.draws, batch.names, batch.key)
    assert batch.pairs()[0].sar.data_ptr() == batch.pixels.data_ptr()
