"""Reading what is drawn."""

from __future__ import annotations

import pytest

from ssl4sar.core.errors import UserError


def test_view_is_what_was_scored(tree) -> None:
    seen = tree.view(tree.scores[1])
    assert seen.mde_m == tree.scores[1].mde_m
    assert seen.predicted_front.sum() == tree.scores[1].predicted_front_px
    (tree.fronts / f"{tree.scores[1].name}_front.png").unlink()
    with pytest.raises(UserError, match="does not exist"):
        tree.view(tree.scores[1])


def test_words_for_the_error(view) -> None:
    assert view(40, 44, mde_m=1234.4).error_text == "mean distance error 1,234 m"
    assert "NO FRONT FOUND" in view(40, 120).error_text
