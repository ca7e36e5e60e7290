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


def test_a_log_never_gets_bars() -> None:
    assert not progress.bars_allowed()
