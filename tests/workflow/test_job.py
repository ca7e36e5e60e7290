from __future__ import annotations

import errno
import logging
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log, track
from ssl4sar.provenance.digest import source_digest
from ssl4sar.provenance.record import JobRecord
from ssl4sar.workflow.job import _LogFile, job

PROJECT = Path(__file__).resolve().parents[2]


class Files(list[str]):
    """A list with names, as Snakemake hands it to a script."""

    provenance = "runs/x/seed0/model.provenance.json"


@pytest.fixture
def snakemake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.chdir(tmp_path)
    outputs = ["runs/x/seed0/model.pt", "runs/x/seed0/model.json", Files.provenance]
    for name in outputs[:2]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "in.txt").write_text("in")
    script = PROJECT / "workflow/scripts/finetune.py"
    return SimpleNamespace(
        log=[str(tmp_path / "logs" / "x.log")],
        rule="finetune",
        # As Snakemake names it: through the folder of the rules.
        scriptdir=str(PROJECT / "workflow/rules/../scripts"),
        input=["in.txt"],
        output=Files(outputs),
        params={"source": source_digest(script), "cfg": {"training": {"epochs": 2}}, "resume": "r"},
        wildcards={"member": "seed3"},
        config={"name": "x", "read_from": {"file": "config/x.yaml", "overrides": {}}},
        threads=1,
        resources={"mem_mb": 100, "tmpdir": "/scratch", "_cores": 1},
    )


def test_a_finished_job_leaves_its_record(snakemake, tmp_path: Path) -> None:
    with job(snakemake):
        (tmp_path / "runs/x/seed0/model.pt").write_text("trained")
    record = JobRecord.read(tmp_path / Files.provenance)
    assert (record.job, record.seed, record.study) == ("finetune member=seed3", 3, "x")
    assert [entry.path for entry in record.inputs] == ["../../../in.txt"]
    assert [entry.path for entry in record.outputs] == ["model.pt", "model.json"]
    assert record.outputs[0].bytes == len("trained")
    assert record.cfg == {"training": {"epochs": 2}}
    assert record.parameters == {"resume": "r"}
    assert record.resources == {"mem_mb": 100}
    assert "workflow/scripts/finetune.py" in record.code.files
    assert "src/ssl4sar/train/finetune/finetune.py" in record.code.files


def test_an_altered_input_stops_the_job_before_its_work(snakemake, tmp_path, capsys) -> None:
    with job(snakemake):
        pass
    snakemake.input = ["runs/x/seed0/model.pt"]
    snakemake.output.provenance = "results/y.provenance.json"
    snakemake.output[:] = ["results/y.json", "results/y.provenance.json"]
    (tmp_path / "runs/x/seed0/model.pt").write_text("another")
    with pytest.raises(SystemExit), job(snakemake):
        pytest.fail("the work was begun")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "not what finetune member=seed3 wrote" in told


def test_an_output_that_was_not_written_is_one_line(snakemake, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit), job(snakemake):
        (tmp_path / "runs/x/seed0/model.json").unlink()
    assert "model.json: does not exist" in capsys.readouterr().err


def test_lines_go_to_log_and_terminal(snakemake, capsys: pytest.CaptureFixture[str]) -> None:
    with job(snakemake):
        log("epoch 1")
    assert "epoch 1" in Path(snakemake.log[0]).read_text()
    assert "epoch 1" in capsys.readouterr().err
    # pytest may have put handlers of its own there.
    kinds = {type(handler) for handler in logging.getLogger("ssl4sar").handlers}
    assert not kinds & {logging.StreamHandler, _LogFile}


def test_afterwards_lines_go_where_they_went_before(snakemake) -> None:
    logger = logging.getLogger("ssl4sar")
    before = (logger.level, logger.propagate, logger.isEnabledFor(logging.INFO))
    shown = warnings.showwarning
    with job(snakemake):
        assert logger.isEnabledFor(logging.INFO)
    assert (logger.level, logger.propagate, logger.isEnabledFor(logging.INFO)) == before
    assert warnings.showwarning is shown


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
        log("epoch 1")
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
@pytest.mark.parametrize("error", [UserError("a", "is bad", "fix it"), OSError(errno.ENOSPC, "")])
def test_a_log_on_a_full_disk_does_not_hide_the_error(snakemake, capsys, error) -> None:
    snakemake.log = ["/dev/full"]
    with pytest.raises(SystemExit), job(snakemake):
        log("epoch 1")
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
