"""Numbers, and text of strangers, in lines for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.wording import counted, printable, size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_999, "1 MB"),
        (1_740_000_000, "1.74 GB"),
        (999_400_000_000, "999 GB"),
        (16_700_000_000_000, "16.7 TB"),
        (4_321_000_000_000_000, "4,321 TB"),
    ],
)
def test_sizes_are_in_powers_of_1000(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_nouns_follow_their_number() -> None:
    assert [counted(n, "file") for n in (0, 1, 2, 1234)] == [
        "0 files",
        "1 file",
        "2 files",
        "1,234 files",
    ]


@given(st.text())
def test_what_strangers_wrote_never_moves_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown or len(shown) > 2000


def test_escapes_surrogates_and_directions_are_written_out() -> None:
    assert printable("a\x1b[31mb\u202ec\ud800") == "a\\x1b[31mb\\u202ec\\ud800"
    assert printable("two\n  lines\r\n") == "two lines"
    assert printable("x" * 5000) == "x" * 2000 + "..."
    assert printable("Küste 冰川") == "Küste 冰川"
