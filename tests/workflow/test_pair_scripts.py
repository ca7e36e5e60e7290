"""The script that renders the pairs for the pretraining."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.hashing import sha256_file
from ssl4sar.scene.pairs import plan_pairs

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
