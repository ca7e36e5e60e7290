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
