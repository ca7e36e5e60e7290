"""The smallest study of the tests: its values, and where its files are.

Tests name files of a study through this module alone, so that another layout of the runs is one
change here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.study import StudyConfig
from ssl4sar.provenance.record import SUFFIX, JobRecord

#: Nested for a whole configuration, flat with dotted keys for changes.
Values: TypeAlias = Mapping[str, Any]

PROJECT: Final = Path(__file__).resolve().parents[2]
MICRO: Final = PROJECT / "tests" / "workflow" / "micro.yaml"
#: The model behind the main result, and what the comparison holds beside it.
MAIN: Final = "none"
UNET: Final = "unet"
TASKS: Final = ("optsimmim", "opttranslator")

RESULT: Final = "results/caffe_mde.json"
COMPARISON: Final = "results/pretraining_comparison.json"
RUN: Final = "runs/micro"
LOGS: Final = "logs/micro"
RESUME: Final = f"{RUN}/resume"
RENDERED: Final = f"{RUN}/caffe/rendered"
NATIVE: Final = f"{RUN}/caffe/native.json"
RESAMPLED: Final = f"{RUN}/caffe/resampled.json"
STORE: Final = f"{RUN}/store/index.json"
STORED_IMAGES: Final = f"{RUN}/store/images.u8"
BASELINES: Final = f"{RUN}/evaluate/baselines.json"
SCENES: Final = f"{RUN}/sentinel/scenes.json"


def fine_tuned(seed: int = 0, model: str = MAIN) -> str:
    """Return the folder of a fine-tuned network."""
    return f"{RUN}/finetune/{model}/seed{seed}"


def predicted(seed: int = 0, model: str = MAIN) -> str:
    """Return the folder of the predictions of a network."""
    return f"{RUN}/predict/{model}/seed{seed}"


def scored(seed: int = 0, model: str = MAIN) -> str:
    """Return the scores of a network."""
    return f"{RUN}/evaluate/{model}/seed{seed}.json"


def pretrained(task: str, seed: int = 0) -> str:
    """Return the folder of a pretrained network."""
    return f"{RUN}/pretrain/{task}/seed{seed}"


def resumed(trained: str) -> str:
    """Return the folder from which a training resumes, from the folder of its network."""
    return trained.replace(RUN, RESUME, 1)


def log_of_finetune(seed: int = 0, model: str = MAIN) -> str:
    """Return the log of a fine-tuning."""
    return log_of("finetune", seed, model)


def log_of(rule: str, seed: int = 0, model: str = MAIN) -> str:
    """Return the log of a job that works on one network."""
    return f"{LOGS}/{rule}/{model}/seed{seed}.log"


def log_of_pretrain(task: str, seed: int = 0) -> str:
    """Return the log of a pretraining."""
    return f"{LOGS}/pretrain_{task}/seed{seed}.log"


def micro() -> dict[str, Any]:
    """Return the smallest study with all its keys."""
    return dict(json.loads(_micro()))


@cache
def _micro() -> str:
    return study_from(read_config(MICRO), MICRO).model_dump_json()


def with_values(values: Values, changes: Values) -> dict[str, Any]:
    """Return a copy of nested values with dotted keys changed."""
    changed = dict(values)
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        changed[first] = with_values(changed[first], {rest: value}) if rest else value
    return changed


def study_of(changes: Values) -> StudyConfig:
    """Return the smallest study with some of its values changed."""
    return StudyConfig.model_validate(with_values(micro(), changes))


def records_of(root: Path) -> list[tuple[Path, JobRecord]]:
    """Return the records of all jobs of a finished study with their places."""
    return [
        (path, JobRecord.read(path))
        for folder in ("runs", "results")
        for path in sorted((root / folder).rglob(f"*{SUFFIX}"))
    ]


def outputs_of(root: Path, rule: str, wildcards: Mapping[str, str] | None = None) -> list[Path]:
    """Return what the jobs of a rule, or one of them, made below a finished study; records last."""
    made = [
        (path, record)
        for path, record in records_of(root)
        if record.rule == rule and wildcards in (None, record.wildcards)
    ]
    outputs = [path.parent / output.path for path, record in made for output in record.outputs]
    return [path.relative_to(root) for path in (*outputs, *(path for path, _ in made))]
