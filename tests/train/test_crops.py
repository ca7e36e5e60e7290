"""Crops are mirrored windows of the store; batches are cut and shared by arithmetic."""

from __future__ import annotations

import numpy as np
import torch

from ssl4sar.dataset.store import Store
from ssl4sar.train.finetune.crops import CropDataset, FrontPixels
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import SampleDraw, Window


class FixedDraws:
    """Hands out given draws by sample number."""

    def __init__(self, *draws):
        self.draws = draws

    def draw(self, epoch, index):
        del epoch
        return self.draws[index]


def padded(array, window, margin=200):
    whole = np.pad(np.asarray(array), margin, mode="symmetric")
    return whole[
        window.row + margin : window.row + margin + window.height_px,
        window.column + margin : window.column + margin + window.width_px,
    ]


def test_crops_are_mirrored_windows_of_image_and_labels(tiny_store):
    store = Store.open(tiny_store)
    inside = SampleDraw(window=Window(0, 3, 5, 20, 20))
    beyond = SampleDraw(
        window=Window(1, -30, 70, 150, 150), partner=Window(0, 90, -10, 33, 33), partner_weight=0.2
    )
    dataset = CropDataset(store, (1, 3), FixedDraws(inside, beyond))
    batch = dataset[BatchKey(0, (0, 1))]
    assert (len(batch), batch.key.samples) == (2, (0, 1))
    assert batch.pixels.dtype == torch.uint8
    assert batch.pixels.numel() == 2 * 20**2 + 2 * 150**2 + 33**2
    first, second = batch.crops()
    assert first.partner is first.front is None
    for crop, window, scene in ((first, inside.window, 1), (second, beyond.window, 3)):
        assert np.array_equal(crop.image, padded(store.image(scene), window))
        assert np.array_equal(crop.labels, padded(store.zones(scene), window))
    assert np.array_equal(second.partner, padded(store.image(1), beyond.partner))


def test_fronts_are_cut_where_they_are_asked_for(tiny_store):
    store = Store.open(tiny_store)
    draw = SampleDraw(window=Window(0, -5, 30, 64, 64), partner=Window(0, 0, 0, 9, 9))
    dataset = CropDataset(store, (2,), FixedDraws(draw), with_fronts=True)
    (crop,) = dataset[BatchKey(0, (0,))].crops()
    assert np.array_equal(crop.front, padded(store.front(2), draw.window))
    assert np.array_equal(crop.labels, padded(store.zones(2), draw.window))
    assert np.array_equal(crop.partner, store.image(2)[:9, :9])
    assert crop.front.any()


def test_pixels_of_fronts_are_those_of_the_labels(tiny_store):
    store = Store.open(tiny_store)
    pixels = FrontPixels(store, (1, 3))
    for image, number in enumerate((1, 3)):
        assert len(pixels(image)) == store.front(number).sum() > 0
        assert store.front(number)[tuple(pixels(image).T)].all()
