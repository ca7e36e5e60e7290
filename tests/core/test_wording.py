"""Numbers in lines for people."""

from __future__ import annotations

import pytest

from ssl4sar.core.wording import counted, size_text


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
def test_sizes_are_told_by_powers_of_1000(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_nouns_follow_their_number() -> None:
    assert [counted(n, "file") for n in (0, 1, 2, 1234)] == [
        "0 files",
        "1 file",
        "2 files",
        "1,234 files",
    ]
