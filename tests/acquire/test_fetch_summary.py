"""What was fetched and what is missing is counted, listed and, if it is too much, refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from made_products import MemoryProvider, made_product

from ssl4sar.acquire.fetch import fetch_product
from ssl4sar.acquire.fetch_summary import FORGET_MISSING, FetchSummary
from ssl4sar.acquire.orbits.file import write_missing_orbit
from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.core.errors import UserError


def summary_of(tmp_path: Path, missing: int) -> FetchSummary:
    paths = []
    for number in range(5):
        product = made_product(number)
        provider = MemoryProvider(missing="gone" if number < missing else None)
        path = tmp_path / f"{product.name}.json"
        fetch_product(product, provider, tmp_path / product.name, Selection()).write(path)
        paths.append(path)
    return FetchSummary.read(paths)


def test_a_summary_counts_and_lists(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, missing=2)
    assert "3 products" in str(summary)
    assert "2 missing" in str(summary)
    summary.write_table(tmp_path / "all.csv")
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert len(rows) == 6
    assert sum("gone; ask the provider" in row for row in rows) == 2


def test_too_many_missing_products_are_refused_with_what_to_do(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, missing=2)
    summary.require(2, Path("all.csv"))
    with pytest.raises(UserError) as error:
        summary.require(1, Path("all.csv"))
    reported = str(error.value)
    assert "2 of 5 products" in reported
    assert "acquisition.max_missing 1" in reported
    assert FORGET_MISSING in reported
    assert "\n" not in reported


def test_what_the_configuration_leaves_out_is_listed(tmp_path: Path) -> None:
    FetchSummary.read([], left_out=["S1A_DAMAGED"]).write(tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())["left_out"] == ["S1A_DAMAGED"]


def test_missing_orbits_are_listed_and_no_failure(tmp_path: Path) -> None:
    error = MissingProductError("orbit", "it is gone", "rerun later")
    write_missing_orbit(made_product(1, name="ORBIT"), error, tmp_path / "orbit.json")
    (tmp_path / "there.json").write_text('{"schema": "ssl4sar.orbit/1", "name": "OTHER"}')
    summary = FetchSummary.read([], [tmp_path / "orbit.json", tmp_path / "there.json"])
    assert summary.missing_orbits == {"ORBIT": "it is gone; rerun later"}
    summary.require(0, tmp_path / "all.csv")
    summary.write(tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())["missing_orbits"]
    (tmp_path / "there.json").write_text("[]")
    with pytest.raises(UserError, match="not a valid record of an orbit"):
        FetchSummary.read([], [tmp_path / "there.json"])


def forget_missing(root: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", FORGET_MISSING], cwd=root, check=True, capture_output=True, text=True
    )
    assert done.stdout + done.stderr == ""


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "scenes"
    folder.mkdir(parents=True)
    return folder


def test_the_command_of_the_error_deletes_the_records_of_missing_products(scenes: Path) -> None:
    summary = summary_of(scenes, missing=2)
    with pytest.raises(UserError) as error:
        summary.require(0, Path("all.csv"))
    assert f"records ({FORGET_MISSING}) and rerun" in str(error.value)
    forget_missing(scenes.parents[1])
    left = {path.name for path in scenes.glob("*.json")}
    assert left == {f"{made_product(number).name}.json" for number in (2, 3, 4)}
    # Now none is missing: nothing is deleted, and nothing fails.
    forget_missing(scenes.parents[1])
    assert {path.name for path in scenes.glob("*.json")} == left


def test_the_command_spares_what_products_hold(scenes: Path) -> None:
    reported = '{"status": "missing"}'
    within = [scenes / "S1A_X" / name for name in ("product.json", "item.json")]
    kept = [*within, scenes / ".S1A_X.partial" / "item.json", scenes / "S1A_X" / "S1A_X.json"]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text(reported)
    (scenes / "S1A_X.json").write_text(reported)
    forget_missing(scenes.parents[1])
    assert all(path.is_file() for path in kept)
    assert not (scenes / "S1A_X.json").exists()


def test_the_command_stands_in_the_docs_wherever_it_is_needed() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs" / "acquisition.md"
    assert docs.read_text(encoding="utf-8").count(FORGET_MISSING) == 2
