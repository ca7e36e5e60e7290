"""What ``ssl4sar leave-one-out`` does: one run of the workflow per glacier, then one table.

Every fold is a run of its own name, so that caching and resuming are Snakemake's. Scores are read
where the fold made them, below ``runs/``: ``results/`` belongs to the latest run alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.config.caffe import CaffeConfig
from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.models import member_of
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.atomic import write_json, write_text
from ssl4sar.core.caffe_layout import SPLITS, CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines
from ssl4sar.core.progress import log
from ssl4sar.core.scene_name import GLACIERS, parsed
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison import ModelScores, build_comparison
from ssl4sar.evaluate.leave_one_out import Fold, build_leave_one_out, markdown
from ssl4sar.evaluate.result import RunScores, dataset_of, describe_dataset
from ssl4sar.evaluate.schema import read_comparison
from ssl4sar.evaluate.scores_file import read_baselines, read_scores
from ssl4sar.evaluate.trained_models import read_other_images, read_training_record, trained_model
from ssl4sar.synthetic.caffe import plan_scenes
from ssl4sar.workflow.runtime import training_min
from ssl4sar.workflow.study import DEFAULT_CONFIG, Study

_SCORES: Final = "evaluate/{model}/{member}.json"
_PREDICTIONS: Final = "predict/{model}/{member}/predictions.json"
_RECORDS: Final = "finetune/{model}/{member}/model.json"
#: Runs Snakemake with arguments and returns its exit status.
Runner = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class LeaveOneOutRequest:
    """What to run.

    Attributes:
        configuration: file of the study.
        root: folder of the CaFFe tree; None: as the configuration says.
        models: names of the models; empty: those behind the results of the configuration.
        glaciers: test glaciers of the folds; empty: all of the tree.
        cores: cores that Snakemake may use.
        out: table as JSON; its Markdown is beside it. None: results/leave_one_out/NAME.json.
        dry_run: show what would run.
    """

    configuration: Path = Path(DEFAULT_CONFIG)
    root: Path | None = None
    models: Sequence[str] = ()
    glaciers: Sequence[str] = ()
    cores: int = 2
    out: Path | None = None
    dry_run: bool = False


def leave_one_out(request: LeaveOneOutRequest, run: Runner | None = None) -> bool:
    """Run a fold per glacier, write the table of those that are finished, and print it.

    Args:
        request: what to run.
        run: what runs Snakemake in the project's folder; by default the Snakemake beside this
            Python.

    Returns:
        Whether all folds are finished.

    Raises:
        UserError: this is not the project's folder, a wrong configuration, model, glacier or name
            of the table, or no fold is finished.
    """
    if not Path("Snakefile").is_file():
        raise UserError(
            "Snakefile", "there is none in this folder", "run the command in a clone of the project"
        )
    if request.out is not None and request.out.suffix != ".json":
        raise UserError(
            "--out",
            f"{request.out} does not end in .json",
            "name the JSON file: the table in Markdown is written beside it",
        )
    values = read_config(request.configuration)
    shortcuts: dict[str, Any] = {} if request.root is None else {"caffe_root": str(request.root)}
    whole = study_from({**values, **shortcuts}, request.configuration)
    models = _models(request, whole)
    studies: dict[str, Study] = {}
    overrides: dict[str, dict[str, Any]] = {}
    for glacier in _glaciers(request, whole):
        changed = {
            "name": f"{whole.name}_{glacier.lower()}",
            **shortcuts,
            "caffe_test_glaciers": [glacier],
            "compare": models,
        }
        # A name that grows too long is reported before the first fold, not before the last.
        config = study_from({**values, **changed}, request.configuration)
        studies[glacier] = Study(config, Path.cwd(), str(request.configuration), changed)
        overrides[glacier] = changed
    failed = _run_folds(request, studies, overrides, models, run or _snakemake)
    if request.dry_run:
        return not failed
    _write_table(request, whole, studies, models, failed)
    return not failed


def glaciers_of(caffe: CaffeConfig, study: StudyConfig) -> list[str]:
    """Return the glaciers that the images of a study show, sorted."""
    if caffe.source == "pangaea":
        return sorted(GLACIERS)
    if caffe.source == "synthetic":
        return sorted({plan.name.glacier for plan in plan_scenes(study.scene)})
    tree = CaffeTree(find_caffe_root(caffe.root or ""))
    scenes = [parsed(name) for split in SPLITS for name in tree.names(split)]
    return sorted({scene.glacier for scene in scenes if scene is not None})


def _models(request: LeaveOneOutRequest, study: StudyConfig) -> list[str]:
    chosen = list(request.models or study.wanted)
    _require_known("--models", chosen, list(study.models), "the configuration")
    return chosen


def _glaciers(request: LeaveOneOutRequest, study: StudyConfig) -> list[str]:
    if study.caffe.test_glaciers is not None:
        raise UserError(
            f"{request.configuration}: caffe.test_glaciers",
            "the folds choose the test glaciers",
            "leave the key out, and name those to test with --glaciers",
        )
    shown = glaciers_of(study.caffe, study)
    if len(shown) < 2:
        raise UserError(
            "the CaFFe tree",
            f"it shows {len(shown)} glaciers: none would be left to train on",
            "add images of another one",
        )
    chosen = list(request.glaciers or shown)
    _require_known("--glaciers", chosen, shown, "the tree")
    return chosen


def _require_known(option: str, chosen: Sequence[str], known: Sequence[str], where: str) -> None:
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise UserError(
            option,
            f"{', '.join(unknown)} is not in {where}",
            f"name some of {', '.join(known)}",
        )
    twice = [name for name, times in Counter(chosen).items() if times > 1]
    if twice:
        raise UserError(option, f"{', '.join(twice)} is there twice", "name each once")


def _run_folds(
    request: LeaveOneOutRequest,
    studies: Mapping[str, Study],
    overrides: Mapping[str, Mapping[str, Any]],
    models: Sequence[str],
    run: Runner,
) -> list[str]:
    """Run all folds one after the other; return the glaciers of those that failed."""
    failed = []
    for number, (glacier, study) in enumerate(studies.items(), 1):
        log(f"fold {number} of {len(studies)}: test glacier {glacier}, run {study.config.name}")
        config = [f"{key}={json.dumps(value)}" for key, value in overrides[glacier].items()]
        targets = [path for model in models for path in study.of_model(_SCORES, model)]
        arguments = [
            *("--cores", str(request.cores)),
            *("--configfile", str(request.configuration)),
            *("--config", *config),
            *(["--dry-run"] if request.dry_run else []),
            *("--", *targets, f"{study.run}/evaluate/baselines.json"),
        ]
        if run(arguments) != 0:
            failed.append(glacier)
            log(f"the fold of {glacier} FAILED: see above, and logs/{study.config.name}")
    return failed


def _snakemake(arguments: Sequence[str]) -> int:
    # Standard output is for the table.
    process = subprocess.Popen([sys.executable, "-m", "snakemake", *arguments], stdout=2)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # Ctrl-C reached it too: trainings save their state before it ends.
        process.wait()
        raise


def _write_table(
    request: LeaveOneOutRequest,
    whole: StudyConfig,
    studies: Mapping[str, Study],
    models: Sequence[str],
    failed: Sequence[str],
) -> None:
    finished = {name: study for name, study in studies.items() if name not in failed}
    if not finished:
        raise UserError(
            whole.name, "every fold failed", "see the messages above, and run the command again"
        )
    folds = [_fold(glacier, study, models) for glacier, study in finished.items()]
    dataset = folds[0].comparison.dataset
    described = describe_dataset(whole.name, source=dataset.source, spacing_m=dataset.spacing_m)
    table = build_leave_one_out(whole.name, described.note, folds, failed)
    out = request.out or Path(f"results/leave_one_out/{whole.name}.json")
    text = markdown(table)
    write_text(out.with_suffix(".md"), text)
    write_json(out, table.model_dump(mode="json", by_alias=True))
    print_lines(text.splitlines())
    log(f"written: {out} and {out.with_suffix('.md')}")


def _fold(glacier: str, study: Study, names: Sequence[str]) -> Fold:
    """Read what a finished fold left."""
    manifest = TreeManifest.read(study.tree_manifest)
    models = []
    for name in names:
        records = [read_training_record(path) for path in study.of_model(_RECORDS, name)]
        runs = [RunScores(*read_scores(path)) for path in study.of_model(_SCORES, name)]
        others = read_other_images(study.of_model(_PREDICTIONS, name)[0])
        models.append(ModelScores(trained_model(records, manifest.test_glaciers, others), runs))
    baselines = read_baselines(f"{study.run}/evaluate/baselines.json")
    comparison = build_comparison(dataset_of(manifest, study.config.name), models, baselines)
    minutes = {name: _training_min(study, name) for name in names}
    return Fold(glacier, read_comparison(comparison), minutes)


def _training_min(study: Study, model: str) -> float | None:
    """Return the minutes of all trainings of a model; None if one is not on record."""
    records = Path("benchmarks/results") / study.config.name / "finetune" / model
    tables = Path(study.run) / "finetune" / model
    members = [member_of(seed) for seed in study.config.seeds_of(model)]
    minutes = [
        training_min(records / f"{member}.tsv", tables / member / "metrics.csv")
        for member in members
    ]
    known = [value for value in minutes if value is not None]
    return sum(known) if len(known) == len(members) else None
