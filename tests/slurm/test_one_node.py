"""The SLURM of the tests keeps its hands off what is not its own."""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
from pathlib import Path

import one_node_slurm
import pytest
from one_node_slurm import BASE_NAME, INSTALL, MARKER, Unavailable


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Play in a private folder, on a machine where SLURM is not installed."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setattr(
        "one_node_slurm.CONFIG_FILES", (folder / "slurm.conf", folder / "gres.conf")
    )
    monkeypatch.setattr("one_node_slurm.LOCK", tmp_path / "lock")
    monkeypatch.setattr("one_node_slurm.PORTS", ())
    monkeypatch.setattr("one_node_slurm.PROGRAMS", ("no-such-program",))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name in ("SLURM_CONF", "SLURM_JOB_ID", INSTALL):
        monkeypatch.delenv(name, raising=False)
    return folder


def refusal() -> str:
    with pytest.raises(Unavailable) as reason, one_node_slurm.one_node_slurm():
        pass
    return str(reason.value)


def test_nothing_is_installed_unasked() -> None:
    told = refusal()
    assert f"set {INSTALL}=1" in told
    assert "\n" not in told


def test_no_root_no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "needs Linux and root" in refusal()


@pytest.mark.parametrize("name", ["slurm.conf", "gres.conf"])
def test_a_configuration_of_somebody_else_is_left_alone(elsewhere: Path, name: str) -> None:
    (elsewhere / name).write_text("ClusterName=real\n")
    assert f"{name} belongs to somebody else" in refusal()
    assert (elsewhere / name).read_text() == "ClusterName=real\n"


def test_a_cluster_in_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", "/cluster/slurm.conf")
    assert "SLURM_CONF" in refusal()


def test_one_session_at_a_time(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "another test session" in refusal()


def test_a_port_in_use_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        monkeypatch.setattr("one_node_slurm.PORTS", (port,))
        assert f"port {port}" in refusal()


def test_leftovers_of_a_killed_session_are_removed(elsewhere: Path, tmp_path: Path) -> None:
    base, other = tmp_path / f"{BASE_NAME}abc", tmp_path / f"{BASE_NAME}other"
    sleep = shutil.which("sleep")
    assert sleep is not None
    daemons = []
    for folder in (base, other):
        folder.mkdir()
        # The name of a process is what it was started as.
        daemon = shutil.copy(sleep, folder / "slurmd_of_test")
        daemons.append(subprocess.Popen([daemon, "600"], cwd=folder))
    bystander = subprocess.Popen([sleep, "600"], cwd=base)
    (elsewhere / "slurm.conf").write_text(f"{MARKER}{base}\nClusterName=loopback\n")
    try:
        assert "not installed" in refusal()
        daemons[0].wait(timeout=60)
        assert not base.exists()
        assert list(elsewhere.iterdir()) == []
        assert daemons[1].poll() is None
        assert bystander.poll() is None
    finally:
        for process in (*daemons, bystander):
            process.kill()
            process.wait()


@pytest.mark.parametrize("named", ["", "/", "/etc", "relative"])
def test_a_damaged_marker_removes_nothing_but_itself(elsewhere: Path, named: str) -> None:
    (elsewhere / "slurm.conf").write_text(f"{MARKER}{named}\n")
    assert "not installed" in refusal()
    assert list(elsewhere.iterdir()) == []
    assert Path("/etc").is_dir()
