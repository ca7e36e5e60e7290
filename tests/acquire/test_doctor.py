"""The command that tells what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssl4sar.cli import main


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL4SAR_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("SSL4SAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("CDSE_USERNAME", raising=False)
    monkeypatch.delenv("CDSE_PASSWORD", raising=False)
    monkeypatch.chdir(tmp_path)


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "study.yaml"
    path.write_text(f"name: test\n{text}")
    return str(path)


def test_defaults_count_where_there_is_no_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "All is there that defaults needs." in told
    for name in ("cdse", "dhus", "asf", "stac", "local", "synthetic", "blake3", "pyroSAR"):
        assert name in told


def test_the_embedded_default_of_the_folder_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("name: test\nsentinel: {provider: cdse}\n")
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["config"] == "config/config.yaml"


def test_what_is_lacking_for_a_configuration_makes_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["doctor", "--config", config(tmp_path, "sentinel: {provider: cdse}")]
    assert main(asked) == 1
    assert "credentials cdse" in capsys.readouterr().out.splitlines()[-1]
    monkeypatch.setenv("CDSE_USERNAME", "kenneth")
    monkeypatch.setenv("CDSE_PASSWORD", "what is the frequency")
    assert main(asked) == 0
    assert "frequency" not in capsys.readouterr().out


def test_json_holds_every_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--config", config(tmp_path, "")]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["schema"], content["ready"]) == ("ssl4sar.doctor/1", True)
    assert {
        "kind",
        "name",
        "present",
        "version",
        "reason",
        "remedy",
        "needed",
    } == set(content["backends"][0])


def test_wrong_configuration_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--config", str(tmp_path / "none.yaml")]) == 2
    assert main(["doctor", "--config", config(tmp_path, "sentinel: {provider: scihub}")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
