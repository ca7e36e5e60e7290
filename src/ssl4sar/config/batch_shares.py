"""How the processes of a training share its batches."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple


class BatchShares(NamedTuple):
    """How the processes of a training share the samples of an optimiser step.

    Attributes:
        batch_size: samples per batch and process.
        accumulate_batches: batches per process whose gradients are added.
        lanes: batches of the recipe that are worked on at the same time.
        parts: processes that share one batch of the recipe.
    """

    batch_size: int
    accumulate_batches: int
    lanes: int
    parts: int


def share_batches(
    batch_size: int, accumulate_batches: int, processes: int, block: str = "training"
) -> BatchShares:
    """Share the samples of an optimiser step, whose number stays that of the recipe.

    Whole batches are shared first, since that changes nothing but the order of additions. Only
    what is left splits batches: the Dice loss, which is not additive, then sees smaller ones.

    Args:
        batch_size: samples per batch of the recipe.
        accumulate_batches: batches per optimiser step of the recipe.
        processes: processes of the training.
        block: block of the recipe, for the error.

    Raises:
        ValueError: the samples cannot be shared evenly.
    """
    lanes = gcd(processes, accumulate_batches)
    parts = processes // lanes
    if batch_size % parts:
        raise ValueError(
            f"compute.devices * compute.nodes: {processes} processes cannot share "
            f"{block}.batch_size {batch_size} * {block}.accumulate_batches {accumulate_batches} "
            f"evenly (left to split each batch: {parts})"
        )
    return BatchShares(batch_size // parts, accumulate_batches // lanes, lanes, parts)


def smallest_batch(shares: BatchShares, samples_per_epoch: int) -> int:
    """Return the fewest samples that a process works on in a step.

    Args:
        shares: how the processes share the batches.
        samples_per_epoch: samples per epoch over all processes.
    """
    share, _, lanes, parts = shares
    batches, rest = divmod(samples_per_epoch, share * parts)
    full_parts, last = divmod(rest, share)
    if (batches + (rest > 0)) % lanes or (rest and full_parts + (last > 0) < parts):
        return 1  # a process that is left without samples gets one of another's
    return last or share
