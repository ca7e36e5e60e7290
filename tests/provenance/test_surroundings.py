from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssl4sar.provenance import surroundings
from ssl4sar.version import VERSION


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_versions_name_the_libraries_that_decide() -> None:
    found = surroundings.versions()
    assert found["ssl4sar"] == VERSION
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "torch", "snakemake"} <= set(found)


def test_the_commit_and_whether_deciding_files_changed(tmp_path: Path) -> None:
    assert surroundings.commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert surroundings.commit(tmp_path) is None  # nothing committed yet
    (tmp_path / "Snakefile").write_text("")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert surroundings.commit(tmp_path) == {"commit": head, "changed": False}
    (tmp_path / "notes.txt").write_text("of no matter")
    assert surroundings.commit(tmp_path) == {"commit": head, "changed": False}
    (tmp_path / "src" / "b.py").write_text("2")
    assert surroundings.commit(tmp_path) == {"commit": head, "changed": True}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a clone to another user")
def test_the_commit_of_another_users_clone_is_known(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "Snakefile").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.chown(path, 65534, 65534)
    found = surroundings.commit(tmp_path)
    assert found is not None
    assert len(found["commit"]) == 40


def test_a_repository_that_the_project_merely_is_in_says_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "dotfiles").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "Snakefile").write_text("")
    assert surroundings.commit(tmp_path / "project") is None


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert surroundings.commit(tmp_path) is None


def test_devices_are_those_of_torch_where_it_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert surroundings.machine()["devices"] == ["cpu"]
    assert "torch" not in sys.modules, "asking must not import it"
    cuda = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 2, get_device_name=lambda n: f"gpu {n}"
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert surroundings.machine()["devices"] == ["gpu 0", "gpu 1"]


def test_slurm_is_named_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOB_PARTITION", "SLURM_JOB_NUM_NODES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    assert surroundings.cluster() == {}
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    assert surroundings.cluster() == {"slurm_job_id": "41"}
