"""What was trained, as the records of the trainings say, and whether the test was fair to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.pair_layout import all_names, is_named_after
from ssl4sar.evaluate.schema import Dataset, Model, PretrainedCheckpoint, Pretraining

#: What a pretraining started from, in words.
_STARTS: Final = {
    "none": "random weights",
    "imagenet": "ImageNet weights",
    "checkpoint": "a checkpoint",
}
_KEYS: Final = frozenset(
    {"model", "network", "weights", "recipe", "starting_weights", "pretraining", "parameters"}
)


def read_training_record(path: str | Path) -> dict[str, Any]:
    """Read the record that a fine-tuning wrote beside its checkpoint.

    Raises:
        UserError: the file is missing, damaged, or not the record of a fine-tuning.
    """
    try:
        record = read_json(path)
        if not record.keys() >= _KEYS:
            raise ValueError("not the record of a fine-tuning")  # noqa: TRY301 - reported below
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            path, f"the file cannot be read ({error})", "remove it and rerun the workflow"
        ) from error
    return dict(record)


class OtherImages(NamedTuple):
    """How other test images were used for each one, without their labels.

    Attributes:
        series: ``prediction.series`` of a temporal network; None of another one.
        date_mean: ``prediction.date_mean``; None where each image stands alone.
        images_alone: images for which a temporal network found no other.
    """

    series: dict[str, Any] | None = None
    date_mean: dict[str, Any] | None = None
    images_alone: int = 0


#: Each image stands alone.
ALONE: Final = OtherImages()


def read_other_images(predictions: str | Path) -> OtherImages:
    """Read from the record of a prediction how it used other images than the predicted one.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        record = read_json(predictions)
        series, date_mean = (
            None if (value := record["prediction"].get(key)) is None else dict(value)
            for key in ("series", "date_mean")
        )
        scenes = record["scenes"].values() if series else ()
        alone = sum(len(scene["frames"]) == 1 for scene in scenes)
        return OtherImages(series, date_mean, alone)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            predictions, f"the file cannot be read ({error})", "remove it and rerun the workflow"
        ) from error


def trained_model(
    records: Sequence[Mapping[str, Any]],
    test_glaciers: Iterable[str],
    others: OtherImages = ALONE,
) -> Model:
    """Gather what the records of a model's runs say.

    Args:
        records: records of its trainings.
        test_glaciers: glaciers that it is tested on.
        others: how its predictions used other test images.
    """
    row = records[0]
    pretrainings = [r["pretraining"] for r in records if r["pretraining"] is not None]
    datasets = [pretraining["dataset"] for pretraining in pretrainings]
    of_weights = [name for r in records for name in r["starting_weights"]["glaciers"]]
    return Model(
        name=row["model"],
        network=row["network"],
        parameters=row["parameters"],
        weights=row["weights"],
        recipe=row["recipe"],
        weights_sha256=[record["starting_weights"]["sha256"] for record in records],
        pretraining=_pretraining(pretrainings, datasets) if pretrainings else None,
        test_glaciers_seen=_seen(datasets, of_weights, test_glaciers),
        **others._asdict(),
    )


def _pretraining(
    pretrainings: Sequence[Mapping[str, Any]], datasets: Sequence[Mapping[str, Any]]
) -> Pretraining:
    checkpoints = {
        p["sha256"]: PretrainedCheckpoint(
            sha256=p["sha256"],
            epochs=p["epoch"],
            validation_loss=None if p["validation"] is None else p["validation"]["loss"],
        )
        for p in pretrainings
    }
    return Pretraining(
        task=pretrainings[0]["task"],
        checkpoints=list(checkpoints.values()),
        started_from=_STARTS[pretrainings[0]["starting_weights"]["source"]],
        source=datasets[0]["source"],
        synthetic=any(dataset["synthetic"] for dataset in datasets),
        excluded_glaciers=sorted({name for dataset in datasets for name in dataset["excluded"]}),
        left_out_images=sorted({file for dataset in datasets for file in dataset["left_out"]}),
    )


def _seen(
    datasets: Sequence[Mapping[str, Any]], of_weights: Sequence[str], test_glaciers: Iterable[str]
) -> list[str]:
    """Return the test glaciers that were trained on: by their names, and by what makers say.

    Neither is enough: a configuration may leave a name out of its list, or know one more. The
    starting weights say what they were trained on if they are of this package.
    """
    listed = [name for dataset in datasets for name in dataset["glaciers"]]
    trained_on = {*listed, *of_weights}
    seen: list[str] = []
    explained: set[str] = set()
    for glacier in sorted(set(test_glaciers)):
        names = all_names([glacier])
        same = {name for name in trained_on if is_named_after(name, names)}
        if same:
            seen.append(glacier)
            explained |= same
    said = {name for dataset in datasets for name in dataset["included_test_glaciers"]}
    return seen + sorted(said - explained)


def assessed(dataset: Dataset, models: Sequence[Model]) -> Dataset:
    """Return the description of a dataset as far as the starting weights of models allow it."""
    seen = sorted({name for model in models for name in model.test_glaciers_seen})
    if not seen:
        return dataset
    names = ", ".join(seen)
    # The note of the official test set promises what does not hold any more.
    official = dataset.comparable_with_published
    scenes = "official CaFFe test set at full size" if official else dataset.note
    note = f"{scenes}; the pretraining has SEEN test glaciers ({names}): NOT comparable"
    return dataset.model_copy(update={"comparable_with_published": False, "note": note})


def model_texts(models: Sequence[Model], dataset: Dataset) -> list[str]:
    """Return what a reader must know of the starting weights of models and of the images they saw.

    Returns:
        Sentences, each with the names of all models that it holds for.
    """
    names: dict[str, list[str]] = {}
    for model in models:
        for text in _texts_of(model, dataset):
            names.setdefault(text, []).append(model.name)
    return [f"{', '.join(named)}: {text}" for text, named in names.items()]


def _texts_of(model: Model, dataset: Dataset) -> Iterator[str]:
    if model.test_glaciers_seen:
        names = ", ".join(model.test_glaciers_seen)
        yield (
            f"the starting weights have seen images of the test glaciers {names} "
            "(ssl4sar.allow_test_glaciers, or starting weights that had): the scores are NOT those "
            "of unseen glaciers"
        )
    if model.pretraining is not None and model.pretraining.synthetic and not dataset.synthetic:
        yield "pretrained on SYNTHETIC pairs of images"
    if model.series is not None:
        yield _series_text(model.series, model.images_alone)
    if model.date_mean is not None:
        which = "all" if model.date_mean["window"] == "all" else "all not later"
        yield (
            f"the zones of each test image are to {model.date_mean['share']:.0%} those of the mean "
            f"over {which} test images of its glacier on its grid, without their labels "
            "(prediction.date_mean)"
        )


def _series_text(series: Mapping[str, Any], images_alone: int) -> str:
    if series["frames"] == 1:
        return "each test image was seen alone, in a series of one (prediction.series)"
    days = "" if series["max_days"] is None else f" within {series['max_days']} days"
    which = "others" if series["window"] == "all" else "others that are not later"
    alone = (
        f"; {images_alone} of them had no such image and were seen alone" if images_alone else ""
    )
    return (
        f"each test image was seen with up to {series['frames'] - 1} {which}{days} of its "
        f"glacier's test images, without their labels (prediction.series){alone}"
    )
