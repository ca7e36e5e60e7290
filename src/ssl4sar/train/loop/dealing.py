"""Which image a sample comes from: images are dealt like cards, in shuffled rounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ssl4sar.core.seeding import generator


class Dealer:
    """Deals the members of groups, each group equally often, each member of a group too.

    A shuffled round ends before the next begins, so counts never differ by more than one.

    Args:
        groups: members of each group; one group deals all its members equally often.
        seed: seed of the run; every position follows from it alone.

    Raises:
        ValueError: there is no member to deal.
    """

    def __init__(self, groups: Sequence[Sequence[int]], seed: int) -> None:
        if not groups or not all(groups):
            raise ValueError("there is no training image to sample from")
        self._groups = tuple(tuple(group) for group in groups)
        self._seed = seed

    def member(self, position: int) -> int:
        """Return the member at a position of the endless sequence, from 0."""
        turn, place = divmod(position, len(self._groups))
        number = _shuffled(self._seed, "groups", turn, len(self._groups))[place]
        group = self._groups[number]
        round_of_group, place = divmod(turn, len(group))
        return group[_shuffled(self._seed, f"images {number}", round_of_group, len(group))[place]]


@lru_cache(maxsize=64)
def _shuffled(seed: int, purpose: str, turn: int, count: int) -> tuple[int, ...]:
    return tuple(int(i) for i in generator(seed, purpose, turn).permutation(count))
