"""No command prints an escape sequence that is not its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from ssl4sar.cli import main
from ssl4sar.core.printing import console, print_lines
from ssl4sar.provenance.record import JobRecord

#: Clears the screen, renames the window, ends the line, turns the direction, a lone C1 control.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\n\u202eeverything holds\x9b31m"
PROJECT = Path(__file__).resolve().parents[2]


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed; checked to be harmless."""
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert harmless(text)
    assert not any(line.startswith("everything holds") for line in text.splitlines()[:-1])
    return text


def test_lines_and_tables_are_harmless() -> None:
    stream = io.StringIO()
    print_lines([HOSTILE, "[red]a[/]"], stream)
    table = Table(title=Text(HOSTILE))
    table.add_column(HOSTILE)
    table.add_row(Text(HOSTILE))
    console(file=stream, width=200).print(table)
    text = stream.getvalue()
    assert harmless(text)
    assert text.splitlines()[0].startswith("\\x1b[2J\\x1b]0;owned\\x07 \\u202e")
    assert text.splitlines()[1] == "[red]a[/]"
    assert "┏" in text


def test_a_terminal_keeps_the_colours_that_are_ours() -> None:
    stream = io.StringIO()
    console(file=stream, force_terminal=True, color_system="standard").print(
        Text("a\x1b[5mb", style="red")
    )
    assert stream.getvalue() == "\x1b[31ma\\x1b[5mb\x1b[0m\n"


def test_what_an_encoding_lacks_is_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_lines(["2 ± 1"], stream)
    console(file=stream).print("2 ± 1")
    stream.flush()
    assert stream.buffer.getvalue() == b"2 \\xb1 1\n2 \\xb1 1\n"


@pytest.fixture
def hostile_record(project) -> Path:
    """A result whose record holds hostile values wherever it may hold any."""
    path = project.root / "results/total.provenance.json"
    content = json.loads(path.read_text())
    for key in ("id", "schema"):
        content.pop(key)
    content["versions"][HOSTILE] = HOSTILE
    content["machine"] |= {"host": HOSTILE, "devices": [HOSTILE], "system": HOSTILE}
    content["cluster"] = {"slurm_job_id": HOSTILE}
    content["cfg"] |= {HOSTILE: HOSTILE, "[/red]": 1}
    content["wildcards"] = {HOSTILE: HOSTILE}
    content["study"] = content["started"] = HOSTILE
    content["code"]["files"][f"src/{HOSTILE}.py"] = HOSTILE
    content["code"] |= {"commit": HOSTILE, "changed": True}
    content["inputs"].append(
        {
            "path": f"/none/{HOSTILE}",
            "folder": False,
            "bytes": 1,
            "sha256": HOSTILE,
            "maker": {"rule": HOSTILE, "record": f"../{HOSTILE}", "id": HOSTILE},
            "files": None,
        }
    )
    JobRecord.model_validate(content).write(path)
    return project.result


def test_an_audit_of_a_hostile_record_is_harmless(hostile_record: Path, capsys) -> None:
    for options in ([], ["--quick"], ["--json"]):
        assert main(["audit", str(hostile_record), *options]) == 1
        assert "owned" in shown(capsys)


def test_a_job_that_fails_with_a_hostile_message_is_harmless(tmp_path: Path) -> None:
    program = (
        "from types import SimpleNamespace as N\n"
        "from ssl4sar.workflow.job import _in_one_line, _tell\n"
        f"error = ValueError({HOSTILE!r})\n"
        "_tell(_in_one_line(error, N(rule='r', output=[]), 'log'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src")},
    )
    assert harmless(done.stderr)


def test_only_a_few_modules_write_to_the_terminal() -> None:
    """What prints foreign text goes through one place."""
    allowed = {
        "core/printing.py",
        "core/progress.py",
        # JSON, whose text is ASCII.
        "workflow/audit_command.py",
        "acquire/doctor.py",
        "sar/check.py",
        # Standard streams of the process itself.
        "train/operations/launch.py",
        "workflow/job.py",
        # A program whose words its caller reads, and prints as one line.
        "sar/snap/write_graph.py",
    }
    source = PROJECT / "src/ssl4sar"
    using = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if any(
            part in path.read_text()
            for part in ("sys.stdout.write", "sys.stderr.write", " print(", "(sys.std", "Console(")
        )
    }
    assert using <= allowed
