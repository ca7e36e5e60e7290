from __future__ import annotations

import errno
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell, track
from ssl4sar.workflow.job import job


@pytest.fixture
def snakemake(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(
        log=[str(tmp_path / "logs" / "x.log")],
        rule="finetune",
        output=["runs/x/seed0/model.pt", "runs/x/seed0/model.json"],
    )


def test_lines_go_to_log_and_terminal(snakemake, capsys: pytest.CaptureFixture[str]) -> None:
    with job(snakemake):
        tell("epoch 1")
    assert "epoch 1" in Path(snakemake.log[0]).read_text()
    assert "epoch 1" in capsys.readouterr().err
    assert logging.getLogger("ssl4sar").handlers == []


def test_user_error_is_one_line(snakemake, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, job(snakemake):
        raise UserError("a.png", "the file is empty", "replace it")
    assert caught.value.code == 1
    assert capsys.readouterr().err == "ssl4sar: error: a.png: the file is empty; replace it\n"
    log = Path(snakemake.log[0]).read_text()
    assert "a.png: the file is empty" in log
    assert "Traceback" not in log


def test_other_failures_keep_the_traceback_in_the_log(snakemake, capsys) -> None:
    with pytest.raises(SystemExit), job(snakemake):
        raise ZeroDivisionError("division by zero")
    terminal = capsys.readouterr().err
    assert terminal.count("\n") == 1
    assert "finetune failed with ZeroDivisionError" in terminal
    assert snakemake.log[0] in terminal
    log = Path(snakemake.log[0]).read_text()
    assert "Traceback" in log
    assert "test_job.py" in log


def test_in_a_terminal_lines_are_plain_too(snakemake, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with job(snakemake):
        tell("epoch 1")
        assert list(track("ab", "reading")) == ["a", "b"]
    lines = capsys.readouterr().err
    assert "epoch 1" in lines
    assert "reading: 2 done" in lines
    assert "\x1b" not in lines
    assert "epoch 1" in Path(snakemake.log[0]).read_text()


def torch_like_error() -> Exception:
    """What torch raises when the stream that it writes to fails."""
    error = RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "subject"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "tb/events.1"), "tb/events.1"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "runs/x/seed0"),
        (torch_like_error(), "runs/x/seed0"),
        (
            RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
            "runs/x/seed0",
        ),
        (RuntimeError("[enforce fail at x.cc:671] . unexpected pos 704 vs 598"), "runs/x/seed0"),
        (RuntimeError("write: No space left on device"), "runs/x/seed0"),
    ],
)
def test_a_full_disk_is_one_line_with_its_fix(snakemake, capsys, error, subject: str) -> None:
    with pytest.raises(SystemExit), job(snakemake):
        raise error
    assert capsys.readouterr().err == (
        f"ssl4sar: error: {subject}: no space left on the disk or quota; "
        "free some space and rerun\n"
    )
    assert "Traceback" in Path(snakemake.log[0]).read_text()


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), RuntimeError("CUDA out of memory")]
)
def test_other_errors_are_not_taken_for_a_full_disk(snakemake, capsys, error) -> None:
    with pytest.raises(SystemExit), job(snakemake):
        raise error
    assert "space" not in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("error", [UserError("a", "is bad", "mend it"), OSError(errno.ENOSPC, "")])
def test_a_log_on_a_full_disk_does_not_hide_the_error(snakemake, capsys, error) -> None:
    snakemake.log = ["/dev/full"]
    with pytest.raises(SystemExit), job(snakemake):
        tell("epoch 1")
        raise error
    lines = [line for line in capsys.readouterr().err.splitlines() if "epoch 1" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("ssl4sar: error: ")


def test_a_log_that_cannot_be_opened_is_one_line(snakemake, capsys, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    with pytest.raises(SystemExit), job(snakemake):
        pytest.fail("the work was begun")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("ssl4sar: error: finetune failed with FileExistsError: ")
