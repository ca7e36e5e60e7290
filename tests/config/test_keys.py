from __future__ import annotations

import pytest

from ssl4sar.config.keys import leaves, value_at

VALUES = {"a": {"b": 1, "c": {"d": [2]}}, "e": {}}


def test_leaves_are_dotted() -> None:
    assert leaves(VALUES) == {"a.b": 1, "a.c.d": [2], "e": {}}


def test_every_leaf_is_found_by_its_key() -> None:
    assert {key: value_at(VALUES, key) for key in leaves(VALUES)} == leaves(VALUES)
    assert value_at(VALUES, "a.c") == {"d": [2]}


@pytest.mark.parametrize("key", ["x", "a.x", "a.b.x"])
def test_unknown_keys_are_refused(key: str) -> None:
    with pytest.raises(KeyError):
        value_at(VALUES, key)
