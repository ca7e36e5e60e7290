"""What an installation can use, as the command says; the package without any optional library."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ssl4sar.acquire.doctor import Backend, find_backends
from ssl4sar.cli import main
from ssl4sar.config.study import StudyConfig

SOURCE = Path(__file__).resolve().parents[2] / "src" / "ssl4sar"
OPTIONAL = ("sentinelsat", "pyroSAR", "asf_search", "pystac_client", "blake3", "osgeo")
PYROSAR_ENVIRONMENT = (
    "conda env create -f envs/pyrosar.yaml (snakemake --sdm conda does it by itself)"
)
SECRET = "what is the frequency"


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL4SAR_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("SSL4SAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for service in ("CDSE", "DHUS", "EARTHDATA"):
        for what in ("USERNAME", "PASSWORD", "TOKEN"):
            monkeypatch.delenv(f"{service}_{what}", raising=False)
    monkeypatch.chdir(tmp_path)


def study(**blocks: Any) -> StudyConfig:
    return StudyConfig.model_validate({"name": "test", **blocks})


def rows(**blocks: Any) -> dict[tuple[str, str], Backend]:
    return {(each.kind, each.name): each for each in find_backends(study(**blocks))}


def missing(**blocks: Any) -> set[tuple[str, str]]:
    return {key for key, each in rows(**blocks).items() if each.needed and not each.present}


def test_every_backend_has_a_row_with_a_reason_or_a_remedy() -> None:
    found = rows()
    assert set(found) >= {
        *(("provider", name) for name in ("cdse", "dhus", "asf", "stac", "local", "synthetic")),
        *(("library", name) for name in ("blake3", "rasterio", "osgeo", "pyroSAR")),
        ("program", "SNAP gpt"),
        ("credentials", "cdse"),
        ("credentials", "asf"),
        ("folder", "locks"),
        ("folder", "tokens"),
    }
    for each in found.values():
        assert each.present == (each.remedy is None)
        assert each.present or each.reason
    assert "GDAL 3" in found["library", "rasterio"].reason
    assert "PROJ" in found["library", "rasterio"].reason


def test_the_default_needs_nothing_but_itself() -> None:
    needed = {key for key, each in rows().items() if each.needed}
    assert needed == {("provider", "synthetic"), ("library", "rasterio")}
    assert missing() == set()


@pytest.mark.parametrize(
    ("blocks", "needed"),
    [
        ({"sentinel": {"provider": "cdse"}}, {("credentials", "cdse")}),
        (
            {"sentinel": {"provider": "dhus"}, "dhus": {"hub_url": "https://hub.example.org"}},
            {("credentials", "dhus")},
        ),
        ({"sentinel": {"provider": "dhus"}}, {("provider", "dhus")}),
        ({"sentinel": {"provider": "asf"}, "optical": {"count": 0}}, {("credentials", "asf")}),
        (
            {"sentinel": {"provider": "asf", "optical_provider": "cdse"}},
            {("credentials", "asf"), ("credentials", "cdse")},
        ),
        ({"sentinel": {"provider": "stac"}}, set()),
        ({"sentinel": {"provider": "stac", "orbits": "precise"}}, {("credentials", "cdse")}),
        ({"sentinel": {"provider": "local", "root": "/no/such/mirror"}}, {("provider", "local")}),
        ({"sentinel": {"provider": "local", "root": "/tmp"}}, set()),
        (
            {"stack": {"engine": "pyrosar"}},
            {("library", "osgeo"), ("library", "pyroSAR"), ("program", "SNAP gpt")},
        ),
    ],
)
def test_what_a_configuration_lacks(blocks: dict[str, Any], needed: set[tuple[str, str]]) -> None:
    for library in ("sentinelsat", "asf_search", "pystac_client"):
        pytest.importorskip(library)
    assert missing(**blocks) == needed


def test_credentials_are_found_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_USERNAME", "kenneth")
    monkeypatch.setenv("CDSE_PASSWORD", SECRET)
    monkeypatch.setenv("EARTHDATA_TOKEN", "a-token-of-mine")
    (tmp_path / "netrc").write_text(f'machine hub.example.org login ken password "{SECRET}"\n')
    (tmp_path / "netrc").chmod(0o600)
    found = rows(dhus={"hub_url": "https://hub.example.org"})
    for name in ("cdse", "dhus", "asf"):
        assert found["credentials", name].present
    assert found["credentials", "dhus"].reason == str(tmp_path / "netrc")
    told = json.dumps([asdict(each) for each in found.values()])
    for secret in (SECRET, "a-token-of-mine", "kenneth"):
        assert secret not in told


def test_folder_open_to_others_is_reported(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks").chmod(0o755)
    found = rows(sentinel={"provider": "cdse"})
    assert not found["folder", "locks"].present
    assert "other users may enter" in found["folder", "locks"].reason
    assert found["folder", "locks"].needed
    assert found["folder", "tokens"].present


_BLOCKED = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)
        return None

sys.meta_path.insert(0, Blocked())
"""


def run_blocked(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _BLOCKED + program], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_every_module_is_imported_without_any_optional_library() -> None:
    modules = [
        ".".join(("ssl4sar", *path.relative_to(SOURCE).with_suffix("").parts))
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "__init__.py"
    ]
    done = run_blocked(f"import importlib\nfor name in {modules!r}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"]])
def test_help_works_without_any_optional_library(arguments: list[str]) -> None:
    done = run_blocked(f"from ssl4sar.cli import main\nsys.exit(main({arguments!r}))")
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


@pytest.mark.slow
def test_doctor_lists_every_missing_library_with_reason_and_remedy() -> None:
    done = run_blocked("from ssl4sar.cli import main\nsys.exit(main(['doctor', '--json']))")
    assert done.returncode == 0, done.stderr
    told = {(row["kind"], row["name"]): row for row in json.loads(done.stdout)["backends"]}
    for kind, name, remedy in (
        ("provider", "dhus", 'pip install -e ".[dhus]"'),
        ("provider", "asf", 'pip install -e ".[asf]"'),
        ("provider", "stac", 'pip install -e ".[stac]"'),
        ("library", "blake3", 'pip install -e ".[blake3]"'),
        ("library", "osgeo", PYROSAR_ENVIRONMENT),
        ("library", "pyroSAR", PYROSAR_ENVIRONMENT),
    ):
        row = told[kind, name]
        assert row["present"] is False
        assert "blocked" in row["reason"]
        assert row["remedy"] == remedy


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
