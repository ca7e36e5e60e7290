"""Crops are mirrored windows of the store; batches are cut and shared by arithmetic."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from ssl4sar.config.compute import share_batches
from ssl4sar.dataset.store import Store
from ssl4sar.train.crops import BatchKey, CropBatch, CropDataset, EpochBatches
from ssl4sar.train.sampling import SampleDraw, Window


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
    assert len(batch) == 2
    assert batch.pixels.dtype == torch.uint8
    assert batch.pixels.numel() == 2 * 20**2 + 2 * 150**2 + 33**2
    first, second = batch.crops()
    assert first.partner is None
    for crop, window, scene in ((first, inside.window, 1), (second, beyond.window, 3)):
        assert np.array_equal(crop.image, padded(store.image(scene), window))
        assert np.array_equal(crop.labels, padded(store.zones(scene), window))
    assert np.array_equal(second.partner, padded(store.image(1), beyond.partner))


def test_moving_a_batch_keeps_its_content():
    draw = SampleDraw(window=Window(0, 0, 0, 2, 3))
    batch = CropBatch(torch.arange(12, dtype=torch.uint8), (draw,))
    moved = pickle.loads(pickle.dumps(batch.to("cpu")))
    assert torch.equal(moved.pixels, batch.pixels)
    assert moved.draws == batch.draws
    assert moved.crops()[0].labels.tolist() == [[6, 7, 8], [9, 10, 11]]


def test_an_epoch_holds_every_sample_once():
    batches = EpochBatches(10, 4)
    batches.set_epoch(3)
    assert [(key.epoch, key.samples) for key in batches] == [
        (3, (0, 1, 2, 3)),
        (3, (4, 5, 6, 7)),
        (3, (8, 9)),
    ]
    assert [(key.number, key.part, key.weight) for key in batches] == [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (2, 0, 1.0),
    ]
    assert len(batches) == 3


def shared_keys(samples, batch_size, accumulate, processes):
    """Keys of every process, and how many batches of each make an optimiser step."""
    shares = share_batches(batch_size, accumulate, processes)
    keys = [
        list(EpochBatches(samples, batch_size, rank, lanes=shares.lanes, parts=shares.parts))
        for rank in range(processes)
    ]
    return keys, shares


@pytest.mark.parametrize("samples", [1, 7, 8, 31, 32, 33, 48, 50, 63, 64])
@pytest.mark.parametrize(
    ("batch_size", "accumulate", "processes"),
    [(4, 4, 2), (4, 4, 4), (4, 1, 2), (4, 1, 4), (4, 2, 4), (4, 2, 8), (8, 3, 6), (2, 4, 8)],
)
def test_the_samples_and_weights_of_an_optimiser_step_do_not_depend_on_the_processes(
    samples, batch_size, accumulate, processes
):
    alone = list(EpochBatches(samples, batch_size))
    steps_alone = [alone[i : i + accumulate] for i in range(0, len(alone), accumulate)]
    keys, shares = shared_keys(samples, batch_size, accumulate, processes)
    assert len({len(own) for own in keys}) == 1
    assert all(key.samples for own in keys for key in own)
    n = shares.accumulate_batches
    steps = [[key for own in keys for key in own[i : i + n]] for i in range(0, len(keys[0]), n)]
    assert len(steps) == len(steps_alone)
    for step, step_alone in zip(steps, steps_alone, strict=True):
        expected = {
            sample: 1 / len(key.samples) / accumulate
            for key in step_alone
            for sample in key.samples
        }
        counted = [key for key in step if key.weight]
        # Gradients are averaged over the processes and over the batches of each.
        found = {
            sample: key.weight / len(key.samples) / processes / n
            for key in counted
            for sample in key.samples
        }
        assert found == pytest.approx(expected)
        assert sum(len(key.samples) for key in counted) == len(found)


def test_whole_batches_are_shared_as_they_are():
    alone = {(key.number, key.samples) for key in EpochBatches(30, 4)}
    keys, _ = shared_keys(30, 4, 8, 4)
    shared = {(key.number, key.samples) for own in keys for key in own if key.weight}
    assert shared == alone
    assert all(key.part == 0 for own in keys for key in own)
