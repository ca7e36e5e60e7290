"""The manifest of a pretraining dataset keeps its facts and refuses contradictions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.pair_manifest import (
    ExcludedGlacier,
    LeftOutImage,
    OpticalImage,
    PairManifest,
    SarImage,
)

TRANSFORM = (20.0, 0.0, 500000.0, 0.0, -20.0, 7600000.0)


def image(file: str, glacier: str, **more: Any) -> dict[str, Any]:
    values = {"height": 40, "width": 50, "bytes": 7, "sha256": "0" * 64}
    return {"file": file, "glacier": glacier, **values, **more}


def manifest(**changes: Any) -> PairManifest:
    values: dict[str, Any] = {
        "root": "/data/pairs",
        "source": "built",
        "synthetic": False,
        "allow_test_glaciers": False,
        "excluded": (ExcludedGlacier(glacier="Columbia", train=3, val=1, optical=1),),
        "included_test_glaciers": (),
        "optical": (
            OpticalImage(
                **image("data_optical/A_20200715_S2.tif", "A", date="2020-07-15"),
                bands=15,
                spacing_m=20,
                crs="EPSG:32622",
                transform=TRANSFORM,
            ),
            OpticalImage(**image("data_optical/B.tif", "B"), bands=20),
        ),
        "sar": (
            SarImage(
                **image("unlabeled_data_raw_train/S1_A.png", "A", sha256="1" * 64),
                split="train",
                processing={"speckle_filter": None, "looks": 4, "chain": ["orbit", "noise"]},
            ),
            SarImage(**image("unlabeled_data_raw_val/S1_B.png", "B"), split="val"),
        ),
    }
    return PairManifest(**{**values, **changes})


def test_a_manifest_reads_what_it_wrote(tmp_path: Path) -> None:
    written = manifest()
    written.write(tmp_path / "dataset.json")
    assert PairManifest.read(tmp_path / "dataset.json") == written
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert content["schema"] == PairManifest.SCHEMA
    assert content["optical"][0]["transform"] == list(TRANSFORM)
    assert content["sar"][0]["date"] is None
    assert set(content["sar"][0]) == {
        *("file", "split", "glacier", "date", "height", "width", "spacing_m"),
        *("crs", "transform", "bytes", "sha256", "processing"),
    }
    assert set(content["optical"][0]) == set(content["sar"][0]) - {"split"} | {"bands"}


def test_partners_and_splits_are_found() -> None:
    made = manifest()
    assert made.glaciers == ("A", "B")
    (sar,) = made.images("val")
    assert made.partner(sar).file == "data_optical/B.tif"
    assert made.path(sar) == Path("/data/pairs/unlabeled_data_raw_val/S1_B.png")


def test_a_relative_root_moves_with_the_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest(root="runs/x/ssl4sar/rendered").write("runs/x/ssl4sar/dataset.json")
    content = json.loads(Path("runs/x/ssl4sar/dataset.json").read_text())
    assert content["root"] == "rendered"
    shutil.move("runs/x", "elsewhere")
    read = PairManifest.read("elsewhere/ssl4sar/dataset.json")
    assert read.root == "elsewhere/ssl4sar/rendered"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.update(schema="other/2"), r"schema is .other/2., not ssl4sar\.pretraining"),
        (lambda m: m["sar"][0].update(height=0), r"sar\.0\.height"),
        (lambda m: m["sar"][0].update(file="../x.png"), "'../x.png' is not a path below the root"),
        (lambda m: m["sar"][0].update(date="20200715"), r"sar\.0\.date: String should match"),
        (lambda m: m["sar"][0].update(glacier="X"), "S1_A.png has no optical image of X"),
        (lambda m: m["sar"][0].update(width=51), "S1_A.png and .*S2.tif differ in size"),
        (lambda m: m["optical"][1].update(glacier="A"), "optical image of A is listed twice"),
        (lambda m: m["sar"].append(m["sar"][0]), "file unlabeled.*S1_A.png is listed twice"),
    ],
)
def test_what_does_not_fit_is_reported_in_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], told: str
) -> None:
    path = tmp_path / "dataset.json"
    manifest().write(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=told) as caught:
        PairManifest.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_facts_for_the_reader_of_a_result() -> None:
    included = {"allow_test_glaciers": True, "included_test_glaciers": ("B",)}
    left_out = (LeftOutImage(file="val/S1_A_9.png", why="a copy"),)
    assert manifest(**included, left_out=left_out).facts() == {
        "source": "built",
        "synthetic": False,
        "glaciers": ["A", "B"],
        "images": {"train": 1, "val": 1},
        "excluded": ["Columbia"],
        "left_out": ["val/S1_A_9.png"],
        "allow_test_glaciers": True,
        "included_test_glaciers": ["B"],
    }
