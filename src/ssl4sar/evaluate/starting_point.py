"""Where fine-tunings started from, as their records tell, and whether that was fair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssl4sar.config.pretraining import TASKS, Variant
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.pair_layout import is_named_after
from ssl4sar.evaluate.comparison_schema import RANDOM_WEIGHTS, PretrainedFacts, PretrainingFacts
from ssl4sar.evaluate.result_schema import Dataset, TrainingStart

_STARTS: Final = {
    "none": RANDOM_WEIGHTS,
    "timm": "ImageNet weights",
    "microsoft": "ImageNet weights",
    "tyrion": "a Tyrion checkpoint",
}
#: Other names of benchmark glaciers in datasets for pretraining.
_OTHER_NAMES: Final = {"COL": ("Columbia",), "JAC": ("Jakobshavn",), "SI": ("SjogrenInlet",)}


@dataclass(frozen=True)
class ScoredFiles:
    """What is left of one run.

    Attributes:
        scores: scores per image.
        record: record of the fine-tuning.
    """

    scores: Path
    record: Path


def read_training_record(path: str | Path) -> dict[str, Any]:
    """Read the record that a fine-tuning wrote beside its checkpoint.

    Raises:
        UserError: the file is missing, damaged, or no record of a fine-tuning.
    """
    try:
        record = read_json(path)
        if not {"start", "starting_weights", "pretraining"} <= record.keys():
            raise ValueError("it is no record of a fine-tuning")  # noqa: TRY301 - told below
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            path, f"the file cannot be read ({error})", "remove it and rerun the workflow"
        ) from error
    return dict(record)


def starting_point(
    variant: str, records: Sequence[Mapping[str, Any]], test_glaciers: Iterable[str]
) -> TrainingStart:
    """Gather what the records of the runs tell of their start.

    Args:
        variant: starting point.
        records: records of the fine-tunings, one per run.
        test_glaciers: glaciers of the scored scenes, by their names in the benchmark.
    """
    datasets = [r["pretraining"]["dataset"] for r in records if r["pretraining"] is not None]
    return TrainingStart(
        variant=variant,
        weights_sha256=[record["starting_weights"]["sha256"] for record in records],
        pretraining_source=datasets[0]["source"] if datasets else None,
        pretraining_synthetic=any(d["synthetic"] for d in datasets) if datasets else None,
        excluded_glaciers=sorted({name for dataset in datasets for name in dataset["excluded"]}),
        left_out_images=sorted({file for dataset in datasets for file in dataset["left_out"]}),
        test_glaciers_seen=_seen(
            datasets,
            [name for r in records for name in r["starting_weights"]["glaciers"]],
            test_glaciers,
        ),
    )


def _seen(
    datasets: Sequence[Mapping[str, Any]], of_weights: Sequence[str], test_glaciers: Iterable[str]
) -> list[str]:
    """Return the test glaciers that were trained on: by their names, and by what makers say.

    Neither is enough: a configuration may leave a name out of its list, or know one more. The
    starting weights tell what they were trained on if they are of this package.
    """
    listed = [name for dataset in datasets for name in dataset["glaciers"]]
    trained_on = {*listed, *of_weights}
    seen: list[str] = []
    explained: set[str] = set()
    for glacier in sorted(set(test_glaciers)):
        names = (glacier, *_OTHER_NAMES.get(glacier, ()))
        same = {name for name in trained_on if is_named_after(name, names)}
        if same:
            seen.append(glacier)
            explained |= same
    told = {name for dataset in datasets for name in dataset["included_test_glaciers"]}
    return seen + sorted(told - explained)


def judged(dataset: Dataset, start: TrainingStart) -> Dataset:
    """Return the description of a dataset as far as the start of the training allows it."""
    if not start.test_glaciers_seen:
        return dataset
    names = ", ".join(start.test_glaciers_seen)
    # The note of the official test set promises what does not hold any more.
    official = dataset.comparable_with_published
    scenes = "official CaFFe test set at full size" if official else dataset.note
    note = f"{scenes}; the pretraining has SEEN test glaciers ({names}): NOT comparable"
    return dataset.model_copy(update={"comparable_with_published": False, "note": note})


def start_texts(start: TrainingStart, dataset: Dataset) -> list[str]:
    """Return what a reader must know of the start, in words."""
    texts = []
    if start.test_glaciers_seen:
        names = ", ".join(start.test_glaciers_seen)
        texts.append(
            f"the pretraining has seen images of the test glaciers {names} "
            "(ssl4sar.allow_test_glaciers, or starting weights that had): the scores do not tell "
            "how unknown glaciers fare"
        )
    if start.pretraining_synthetic and not dataset.synthetic:
        texts.append("the network was pretrained on SYNTHETIC images")
    return texts


def pretraining_facts(
    variant: Variant, records: Sequence[Mapping[str, Any]], test_glaciers: Iterable[str]
) -> PretrainingFacts | None:
    """Gather what the records of the runs tell of their pretraining; None where there was none.

    Args:
        variant: starting point.
        records: records of the fine-tunings, one per run.
        test_glaciers: glaciers of the scored scenes, by their names in the benchmark.
    """
    if variant not in TASKS:
        return None
    start = starting_point(variant, records, test_glaciers)
    pretrainings = [record["pretraining"] for record in records]
    checkpoints = {
        p["sha256"]: PretrainedFacts(
            p["sha256"], p["epoch"], None if p["validation"] is None else p["validation"]["loss"]
        )
        for p in pretrainings
    }
    return PretrainingFacts(
        task=variant,
        checkpoints=list(checkpoints.values()),
        started_by={r["seed"]: r["pretraining"]["sha256"] for r in records},
        started_from=_STARTS[pretrainings[0]["starting_weights"]["source"]],
        synthetic=bool(start.pretraining_synthetic),
        excluded_glaciers=start.excluded_glaciers,
        left_out_images=start.left_out_images,
        saw_test_glaciers=bool(start.test_glaciers_seen),
    )
