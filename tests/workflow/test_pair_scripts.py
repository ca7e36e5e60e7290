"""The scripts that render pairs, check them and decode them."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pair_folder import PairFolder, write_pairs

from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.synthetic.pairs import plan_pairs

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def test_rendered_pairs_are_listed_with_their_hashes(tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    config = PairSceneConfig(glaciers=1, train_images=1, val_images=1, extent_km=3.0)
    main = runpy.run_path(str(SCRIPTS / "render_pairs.py"))["main"]
    folder, listing = tmp_path / "rendered", tmp_path / "rendered.json"
    main({"pair_scene": config.model_dump(mode="json")}, 1, folder, listing)
    records = json.loads(listing.read_text())
    assert set(records) == {"README.txt", *(plan.file for plan in plan_pairs(config))}
    for name, record in records.items():
        assert record["sha256"] == sha256_file(folder / name)


def main_of(script: str) -> Callable[..., Any]:
    return runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]


def check(pairs: PairFolder, out: Path) -> None:
    main_of("validate_pairs")(
        folder=pairs.root,
        rules=PairRules("synthetic", ("Columbia",)),
        workers=1,
        problems=out / "problems.json",
        report=out / "report.json",
        manifest=out / "dataset.json",
    )


def test_a_folder_becomes_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    for path in (pairs.root / pairs.train).glob("S1_[BC]_*"):
        path.unlink()
    for path in (pairs.root / pairs.val).glob("S1_B_*"):
        path.unlink()
    check(pairs, tmp_path)
    told = capsys.readouterr().err
    assert "SYNTHETIC pairs" in told
    assert "all images are of one glacier, A: there is nothing to generalise over" in told
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is True
    manifest = PairManifest.read(tmp_path / "dataset.json")
    assert json.loads((tmp_path / "dataset.json").read_text())["root"] == str(pairs.root)
    main_of("prepare_pair_store")(manifest, "percentile", tmp_path / "store")
    assert PairStore.open(tmp_path / "store").synthetic


def test_errors_leave_only_the_list_of_problems(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    pairs.sar("train", "S1_Store_20200703_014.png")
    with pytest.raises(UserError, match=r"1 error .*glacier Store \(there are: A, B, C\)"):
        check(pairs, tmp_path)
    assert json.loads((tmp_path / "problems.json").read_text())["errors"] == 1
    assert not (tmp_path / "dataset.json").exists()
    assert not (tmp_path / "report.json").exists()
