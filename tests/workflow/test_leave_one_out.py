"""One run of the workflow per glacier, and their table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_records import record, write_record
from made_scores import NAMES, image
from micro_study import micro, with_values
from project_copy import House, planned_jobs

from ssl4sar.cli import main
from ssl4sar.core.errors import UserError
from ssl4sar.dataset.manifest import build_manifest
from ssl4sar.evaluate.scores_file import BaselineScores, write_baselines, write_scores
from ssl4sar.workflow.leave_one_out import LeaveOneOutRequest, leave_one_out

BASELINES = {"true_zones": BaselineScores("the true zones", [image(name, 9.0) for name in NAMES])}


class MadeFolds:
    """Stands for Snakemake: leaves what the jobs of a fold would."""

    def __init__(self, failing: Sequence[str] = ()) -> None:
        self.failing = failing
        self.commands: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.commands.append(list(arguments))
        split = arguments.index("--")
        (name,) = [word[5:].strip('"') for word in arguments if word.startswith("name=")]
        if name in self.failing:
            return 1
        for target in map(Path, arguments[split + 1 :]):
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.stem == "baselines":
                write_baselines(target, BASELINES)
                continue
            write_scores(target, target.stem, [image(name, 100.0) for name in NAMES])
            run, model = Path(*target.parts[:2]), target.parts[3]
            content = record("none", 0) | {"model": model}
            write_record(run / f"finetune/{model}/{target.stem}/model.json", content)
            predictions = run / f"predict/{model}/{target.stem}/predictions.json"
            write_record(
                predictions, {"prediction": {"date_mean": {"share": 0.5, "window": "all"}}}
            )
            benchmark = Path(f"benchmarks/results/{name}/finetune/{model}/{target.stem}.tsv")
            benchmark.parent.mkdir(parents=True, exist_ok=True)
            benchmark.write_text("s\tmax_rss\n90.0\t1\n")
        scenes: dict[Any, list[str]] = {"train": [], "test": list(NAMES)}
        manifest = Path(f"runs/{name}/caffe/resampled.json")
        manifest.parent.mkdir(parents=True)
        build_manifest("tree", "local", 60, scenes, {}, {}).write(manifest)
        return 0


@pytest.fixture
def project(tmp_path: Path, tiny_caffe: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with the smallest study."""
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").touch()
    configure()
    shutil.copytree(tiny_caffe, "tree/data_raw")
    return tmp_path


def configure(**changes: Any) -> None:
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    Path("own.yaml").write_text(yaml.safe_dump(with_values(micro(), changed)))


def request(**changes: Any) -> LeaveOneOutRequest:
    return LeaveOneOutRequest(Path("own.yaml"), Path("tree"), **changes)


def test_every_glacier_is_a_run_and_a_row(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = MadeFolds()
    assert leave_one_out(request(models=["none"], cores=3), run)
    printed = capsys.readouterr()
    glaciers = ["COL", "Crane", "JAC", "Mapple"]
    first = run.commands[0]
    assert first[:4] == ["--cores", "3", "--configfile", "own.yaml"]
    assert first[first.index("--config") + 1 : first.index("--")] == [
        'name="micro_col"',
        'caffe_root="tree"',
        'caffe_test_glaciers=["COL"]',
        'compare=["none"]',
    ]
    assert first[first.index("--") + 1 :] == [
        "runs/micro_col/evaluate/none/seed0.json",
        "runs/micro_col/evaluate/none/seed1.json",
        "runs/micro_col/evaluate/baselines.json",
    ]
    written = json.loads(Path("results/leave_one_out/micro.json").read_text())
    (model,) = written["models"]
    assert [each["glacier"] for each in model["folds"]] == glaciers
    assert (model["mde_m"]["mean"], model["training_min"]) == (100, 12)
    assert printed.out == Path("results/leave_one_out/micro.md").read_text()
    assert printed.out.count("| none |") == 4
    assert "resampled to 60 m" in printed.out
    assert printed.out.count("are to 50% those of the mean over all test images") == 1
    assert "fold 4 of 4: test glacier Mapple, run micro_mapple" in printed.err


def test_a_failed_fold_is_named_and_the_others_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = MadeFolds(failing=["micro_crane"])
    out = Path("out/table.json")
    assert not leave_one_out(request(models=["none"], out=out), run)
    assert len(run.commands) == 4
    printed = capsys.readouterr()
    assert "the fold of Crane FAILED: see above, and logs/micro_crane" in printed.err
    assert "1 of 4 folds FAILED and are missing in all means: Crane" in printed.out
    assert json.loads(out.read_text())["failed"] == ["Crane"]
    everything = [f"micro_{glacier}" for glacier in ("col", "crane", "jac", "mapple")]
    with pytest.raises(UserError, match="every fold failed"):
        leave_one_out(request(models=["none"]), MadeFolds(failing=everything))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"glaciers": ["JAC", "Jorum"]}, "--glaciers: Jorum is not in the tree; name some of COL"),
        ({"glaciers": ["JAC", "JAC"]}, "--glaciers: JAC is there twice"),
        ({"models": ["big"]}, "--models: big is not in the configuration; name some of none"),
        ({"root": Path("nowhere")}, "nowhere: the folder does not exist"),
        ({"out": Path("t.md")}, r"--out: t\.md does not end in \.json; name the JSON file"),
    ],
)
def test_a_mistake_is_reported_before_the_first_fold(
    project: Path, changes: dict[str, Any], message: str
) -> None:
    values = {"root": Path("tree"), **changes}
    with pytest.raises(UserError, match=message):
        leave_one_out(LeaveOneOutRequest(Path("own.yaml"), **values), pytest.fail)  # type: ignore[arg-type]


def test_the_command_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["leave-one-out", "--config", "own.yaml"]
    configure(caffe__test_glaciers=["JAC"])
    assert main(command) == 2
    assert "caffe.test_glaciers: the folds choose" in capsys.readouterr().err
    configure(name="a" * 36)
    assert main([*command, "--glaciers", "JAC", "Mapple"]) == 2
    assert "name" in capsys.readouterr().err
    shutil.rmtree("tree/data_raw/sar_images/test")
    for path in Path("tree/data_raw/sar_images/train").glob("JAC*"):
        path.unlink()
    assert main([*command, "--root", "tree"]) == 2
    assert "it shows 1 glaciers" in capsys.readouterr().err
    configure(caffe__source="local")
    assert main(command) == 2
    assert "root is missing: with source local give" in (said := capsys.readouterr().err)
    assert "--root DIR of ssl4sar leave-one-out" in said
    Path("Snakefile").unlink()
    assert main(command) == 2
    assert "run the command in a clone" in capsys.readouterr().err


@pytest.mark.slow
def test_snakemake_plans_the_folds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.root)
    house.execution = ()
    planned = []

    def run(arguments: Sequence[str]) -> int:
        done = house.snakemake(*arguments)
        planned.append(planned_jobs(done.stdout + done.stderr))
        return done.returncode

    chosen = LeaveOneOutRequest(
        Path(house.config), models=["unet"], glaciers=["JAC", "COL"], dry_run=True
    )
    assert leave_one_out(chosen, run)
    once = ("render_caffe", "validate_caffe", "resample_caffe", "prepare_store", "score_baselines")
    trained = ("finetune", "predict", "evaluate_member")
    assert planned == [dict.fromkeys((*once, *trained), 1)] * 2
