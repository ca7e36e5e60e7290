"""Every sample once, however many processes share the batches."""

from __future__ import annotations

import pytest

from ssl4sar.config.batch_shares import share_batches, smallest_batch
from ssl4sar.train.loop.batches import EpochBatches


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
    least = min(len(key.samples) for own in keys for key in own)
    assert smallest_batch(shares, samples) == least
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
