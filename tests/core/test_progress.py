from __future__ import annotations

import logging

import pytest

from ssl4sar.core import progress


def test_items_pass_and_lines_are_plain(caplog: pytest.LogCaptureFixture, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        assert list(progress.track(iter("abc"), "reading", total=3)) == ["a", "b", "c"]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("reading: 1/3 after")
    assert lines[-1].startswith("reading: 3 done")
    assert all("\x1b" not in line for line in lines)


def test_plain_lines_hold_in_a_terminal_too(monkeypatch) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert progress.bars_allowed()
    with progress.plain_lines():
        assert not progress.bars_allowed()
        with progress.plain_lines():
            pass
        assert not progress.bars_allowed()
    assert progress.bars_allowed()


def test_bytes_are_reported_with_rate_and_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    clock = iter([0.0, 2.0, 4.0, 4.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        progress.track_bytes(iter([2_000_000, 2_000_000]), "x.zip", 10_000_000, 1_000_000)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "x.zip: 3.0 of 10.0 MB, 1.0 MB/s, 7 s left",
        "x.zip: 5.0 of 10.0 MB, 1.0 MB/s, 5 s left",
        "x.zip: 4.0 MB in 4.0 s (1.0 MB/s)",
    ]


def test_lines_of_strangers_cannot_move_the_terminal(capsys) -> None:
    progress.log("the server says \x1b]0;title\x07")
    assert "the server says \\x1b]0;title\\x07" in capsys.readouterr().err
