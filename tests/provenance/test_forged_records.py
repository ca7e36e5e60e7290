"""Records that mislead on purpose: nothing hangs, nothing of the machine is handed on."""

from __future__ import annotations

import json
import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded_project import RecordedProject

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.record import RecordError
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import chain_of
from ssl4sar.provenance.crate import write_crate
from ssl4sar.provenance.record import JobRecord

SECRET = "machine example.org login me password hidden\n"
RECORD = "results/total.provenance.json"


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def study(project: RecordedProject) -> RecordedProject:
    (project.root / "Snakefile").write_text("rule all:\n")
    (project.root / ".netrc").write_text(SECRET)
    (project.root / "notes").mkdir()
    (project.root / "notes/netrc").write_text(SECRET)
    return project


def forge(project: RecordedProject, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the topmost record as somebody would who can compute its own hash."""
    path = project.root / RECORD
    content = json.loads(path.read_text())
    change(content)
    content.pop("id")
    content.pop("schema")
    JobRecord.model_validate(content).write(path)


def claimed(path: str, file: Path) -> dict[str, Any]:
    sha256 = sha256_file(file) if file.is_file() else "0" * 64
    size = file.stat().st_size if file.is_file() else 0
    return {
        "path": path,
        "folder": False,
        "bytes": size,
        "sha256": sha256,
        "maker": None,
        "files": None,
    }


def in_crate(crate: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in crate.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", [".netrc", "notes/netrc"])
def test_a_claimed_input_that_is_not_of_the_workflow_stays(
    study, tmp_path: Path, name: str
) -> None:
    forge(study, lambda r: r["inputs"].append(claimed(f"../{name}", study.root / name)))
    crate = tmp_path / "crate"
    summary = write_crate(study.chain(), crate)
    assert name in summary.left_out
    assert "hidden" not in in_crate(crate)


@pytest.mark.parametrize("link", ["runs/tiny/data.txt", "src/data.txt", "results/data.txt"])
def test_a_claimed_link_to_a_file_elsewhere_is_not_followed(
    study, tmp_path: Path, link: str
) -> None:
    elsewhere = tmp_path / "elsewhere/netrc"
    elsewhere.parent.mkdir()
    elsewhere.write_text(SECRET)
    for target in (elsewhere, study.root / ".netrc"):
        (study.root / link).unlink(missing_ok=True)
        (study.root / link).symlink_to(target)
        forge(study, lambda r: r["inputs"].append(claimed(f"../{link}", study.root / link)))
        summary = write_crate(study.chain(), tmp_path / "crate")
        assert "link" in summary.left_out[link]
        assert "hidden" not in in_crate(tmp_path / "crate")


@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff", "pyproject.toml", "Snakefile"])
def test_a_file_of_the_project_that_is_a_link_elsewhere_is_refused(
    study, tmp_path: Path, name: str
) -> None:
    (tmp_path / "netrc").write_text(SECRET)
    (study.root / name).unlink(missing_ok=True)
    (study.root / name).symlink_to(tmp_path / "netrc")
    with pytest.raises(UserError, match="it does not go into a crate"):
        write_crate(study.chain(), tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("name", [".netrc", "hosts.yml", "config/../.netrc"])
def test_a_claimed_configuration_that_is_none_stays(
    study, tmp_path: Path, name: str, absolute: bool
) -> None:
    (study.root / "hosts.yml").write_text("github.com:\n  oauth_token: hidden\n")
    told = str(study.root / name) if absolute else name
    forge(study, lambda r: r["configuration"].update(file=told))
    write_crate(study.chain(), tmp_path / "crate")
    assert "hidden" not in in_crate(tmp_path / "crate")
    assert "oauth_token" not in in_crate(tmp_path / "crate")


ESCAPES: dict[str, Callable[[dict[str, Any]], object]] = {
    "an output above": lambda r: r["outputs"][0].update(path="../.netrc"),
    "an absolute output": lambda r: r["outputs"][0].update(path="/etc/passwd"),
    "a file above an output": lambda r: r["outputs"][0].update(files={"../.netrc": [1, "0"]}),
    "an absolute file of an input": lambda r: r["inputs"][0].update(files={"/etc/passwd": [1, ""]}),
    "a script above": lambda r: r["code"].update(script="../../evil.py"),
    "an absolute module": lambda r: r["code"].update(files={"/etc/passwd": ""}),
    "a rule file above": lambda r: r["code"].update(workflow={"../x.smk": ""}),
    "a zero in a path": lambda r: r["inputs"][0].update(path="a\0b"),
    "no path": lambda r: r["outputs"][0].update(path=""),
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_paths_that_lead_out_of_their_folder_are_damage(study, escape: str) -> None:
    path = study.root / RECORD
    content = json.loads(path.read_text())
    ESCAPES[escape](content)
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError) as caught:
        JobRecord.read(path)
    assert caught.value.fault == "damaged"


def test_devices_and_pipes_are_not_read(study, tmp_path: Path) -> None:
    os.mkfifo(study.root / "runs/tiny/pipe")
    os.mkfifo(tmp_path / "pipe")
    places = ["/dev/zero", "/dev/tty", str(tmp_path / "pipe"), "../runs/tiny/pipe"]
    forge(study, lambda r: r["inputs"].extend(claimed(p, Path("/none")) for p in places))
    chain = study.chain()
    found = audit_chain(chain, study.config)
    unreadable = [p for p in found.problems if p.kind == "unreadable"]
    assert len(unreadable) >= 3
    assert all("not a regular file" in p.message for p in unreadable)
    write_crate(chain, tmp_path / "crate")


@pytest.mark.parametrize("what", ["/dev/zero", "pipe", "folder"])
def test_a_configuration_that_never_ends_is_a_problem(study, tmp_path: Path, what: str) -> None:
    from ssl4sar.workflow.audit_command import configuration_of_today

    os.mkfifo(tmp_path / "pipe")
    told = {"pipe": str(tmp_path / "pipe"), "folder": str(tmp_path)}.get(what, what)
    forge(study, lambda r: r["configuration"].update(file=told))
    with pytest.raises(UserError, match="cannot be read"):
        configuration_of_today(study.chain(), None)


def test_a_record_that_is_a_pipe_is_damage(study) -> None:
    os.mkfifo(study.root / "results/pipe.provenance.json")
    assert chain_of(study.result).root.record.rule == "total"
    with pytest.raises(RecordError, match="not a regular file"):
        JobRecord.read(study.root / "results/pipe.provenance.json")


def test_a_folder_from_outside_is_not_searched(study) -> None:
    def claim(record: dict[str, Any]) -> None:
        root = claimed("/", Path("/none"))
        record["inputs"].append(root | {"folder": True, "files": {"etc/hostname": [1, "0"]}})

    forge(study, claim)
    tracemalloc.start()
    found = audit_chain(study.chain(), study.config)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
    assert not any("/proc/" in p.subject or "/usr/" in p.subject for p in found.problems)


def test_links_that_go_in_circles_end(study) -> None:
    for name in ("one", "two"):
        (study.root / f"runs/tiny/pieces/{name}").mkdir()
    for one, other in (("one", "two"), ("two", "one")):
        for number in range(5):
            (study.root / f"runs/tiny/pieces/{one}/{number}").symlink_to(f"../{other}")
    (problem,) = audit_chain(study.chain(), study.config).problems
    assert problem.kind == "unreadable"
    assert "a link leads back" in problem.message
