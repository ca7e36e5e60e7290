"""The scripts that extract, render and check a CaFFe tree."""

from __future__ import annotations

import json
import runpy
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def main_of(script: str) -> Callable[..., Any]:
    return runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]


def check(tree: Path, source: str, out: Path) -> None:
    main_of("validate_caffe")(
        folder=tree,
        source=source,
        test_glaciers=None,
        workers=1,
        problems=out / "problems.json",
        report=out / "report.json",
        manifest=out / "manifest.json",
    )


def test_the_source_pangaea_wants_the_official_tree(tiny_caffe: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="559 scenes are expected, 6 found"):
        check(tiny_caffe, "pangaea", tmp_path)
    assert json.loads((tmp_path / "problems.json").read_text())["errors"] == 2
    assert not (tmp_path / "manifest.json").exists()


def test_a_local_tree_is_not_taken_for_the_official_one(
    tiny_caffe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(tiny_caffe, "local", tmp_path)
    assert "this is not the official split: 6 train, 2 test" in capsys.readouterr().err
    assert (tmp_path / "manifest.json").is_file()


def test_a_listing_holds_sizes_and_hashes_and_is_deterministic(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data_raw/b.txt", "bb")
        archive.writestr("data_raw/a.txt", "a")
    texts = []
    for name in ("one", "two"):
        folder, listing = tmp_path / name, tmp_path / f"{name}.json"
        main_of("extract_caffe")(tmp_path / "a.zip", folder, listing)
        texts.append(listing.read_bytes())
    assert texts[0] == texts[1]
    assert json.loads(texts[0]) == {
        f"data_raw/{name}": {
            "bytes": size,
            "sha256": sha256_file(tmp_path / "one" / "data_raw" / name),
        }
        for name, size in (("a.txt", 1), ("b.txt", 2))
    }
