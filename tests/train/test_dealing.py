"""Every member is dealt equally often, in an order that follows from the seed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.train.loop.sampling import BalancedOrder


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    seed=st.integers(0, 99),
    rounds=st.integers(1, 5),
)
def test_groups_are_dealt_equally_and_so_are_their_members(sizes, seed, rounds):
    members = iter(range(sum(sizes)))
    groups = [[next(members) for _ in range(size)] for size in sizes]
    balanced = BalancedOrder(groups, seed)
    dealt = [balanced.member(position) for position in range(rounds * len(groups))]
    counts = Counter(dealt)
    for group in groups:
        own = [counts[member] for member in group]
        assert sum(own) == rounds
        assert max(own) - min(own) <= 1
    for start in range(0, len(dealt), len(groups)):
        hands = dealt[start : start + len(groups)]
        assert all(len(set(group) & set(hands)) == 1 for group in groups)


def test_the_order_follows_from_the_seed_alone():
    def order(seed):
        balanced = BalancedOrder([range(20)], seed)
        return [balanced.member(position) for position in range(60)]

    assert order(1) == order(1)
    assert order(1) != order(2)
    first, second = order(1)[:20], order(1)[20:40]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert BalancedOrder([range(20)], 1).member(41) == order(1)[41]


@pytest.mark.parametrize("groups", [[], [[]], [[1], []]])
def test_nothing_to_deal_is_refused(groups):
    with pytest.raises(ValueError, match="no training image"):
        BalancedOrder(groups, 0)
