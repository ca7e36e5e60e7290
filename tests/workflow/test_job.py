from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell
from ssl4sar.workflow.job import job


@pytest.fixture
def snakemake(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(log=[str(tmp_path / "logs" / "x.log")], rule="finetune")


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
