"""The result of a run, from scores to files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from made_records import dataset, record

from ssl4sar.config.evaluation import EvaluationConfig
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.schema import read_result
from ssl4sar.evaluate.trained_models import trained_model
from ssl4sar.report.caffe_mde import ResultPaths, ScoredRun, write_caffe_mde


def paths_in(folder: Path) -> ResultPaths:
    return ResultPaths(
        result=folder / "caffe_mde.json",
        table=folder / "caffe_mde.csv",
        scenes=folder / "scenes.png",
        errors=folder / "errors.png",
        training=folder / "training.png",
        overlays=folder / "overlays",
    )


@pytest.fixture
def write(tree, tmp_path: Path):
    names = [score.name for score in tree.scores]
    manifest = TreeManifest(
        root=str(tree.caffe.root),
        source="synthetic",
        spacing_m=None,
        comparable_with_published=False,
        scenes={"train": [], "test": names},
        files={},
    )
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("epoch,train_loss,val_mde_m,val_iou_pooled\n1,1.5,,\n2,1.0,300,0.5\n")
    runs = [
        ScoredRun(RunScores(name, tree.scores), tree.predictions, tree.fronts, metrics)
        for name in ("seed0", "seed1")
    ]
    baselines = score_baselines(tree.labels, names)
    config = EvaluationConfig(overlays=3, overlay_px=200)

    def run(folder: Path) -> dict:
        records = [record("optsimmim", seed, dataset(["A", "Columbia"])) for seed in (0, 1)]
        model = trained_model(records, manifest.test_glaciers)
        return write_caffe_mde("micro", manifest, model, runs, baselines, config, paths_in(folder))

    return run


@pytest.mark.slow
def test_everything_is_written_with_equal_bytes(write, tree, tmp_path: Path) -> None:
    result = write(tmp_path / "one")
    paths = paths_in(tmp_path / "one")
    assert json.loads(paths.result.read_text()) == result
    assert read_result(result).dataset.synthetic
    assert len(list(csv.reader(paths.table.open()))) == 1 + 2 * 3
    assert {path.stem for path in paths.overlays.iterdir()} == {s.name for s in tree.scores}
    assert paths.scenes.stat().st_size > 0
    assert paths.errors.stat().st_size > 0
    assert paths.training.stat().st_size > 0
    assert result["model"]["test_glaciers_seen"] == ["COL"]
    write(tmp_path / "two")
    for file in sorted((tmp_path / "one").rglob("*.*")):
        if file.is_file():
            other = tmp_path / "two" / file.relative_to(tmp_path / "one")
            assert file.read_bytes() == other.read_bytes(), file.name
