"""Scoring a folder of zone maps of any model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import Any

from ssl4sar.core.atomic import atomic_file, atomic_files_into, json_text
from ssl4sar.core.caffe_layout import BOX_ENDING, FRONT_ENDINGS, SAR_ENDINGS, ZONES_ENDINGS
from ssl4sar.core.errors import UserError
from ssl4sar.core.image import read_notes
from ssl4sar.core.named_files import list_named, named_file, some_names
from ssl4sar.dataset.label_check import label_fault
from ssl4sar.dataset.official import is_official_test
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.scoring import (
    PREDICTION_ENDINGS,
    LabelFolders,
    map_images,
    prediction_files,
    score_folder,
)
from ssl4sar.evaluate.terminal import print_summary

SYNTHETIC_MARK = "synthetic"


@dataclass(frozen=True)
class EvaluateRequest:
    """What to score.

    Attributes:
        predictions: folder of ``NAME.png`` or ``NAME_zones.png``.
        labels: folders of the labels; their zone masks name the scenes.
        out: result file.
        name: name of the model in the result.
        fronts_out: folder for the predicted fronts; None writes none.
        workers: images scored at the same time.
        sar: folder of ``NAME.png``, the SAR images; None leaves out the Otsu baselines.
    """

    predictions: Path
    labels: LabelFolders
    out: Path
    name: str
    fronts_out: Path | None = None
    workers: int = 1
    sar: Path | None = None

    @property
    def folders(self) -> dict[str, Path]:
        """Folders that are read, by what they hold."""
        read = {
            "labelled fronts": self.labels.fronts,
            "labelled zones": self.labels.zones,
            "bounding boxes": self.labels.boxes,
            "predictions": self.predictions,
        }
        return read if self.sar is None else {**read, "SAR images": self.sar}

    def sar_path(self, name: str) -> Path:
        """Return the SAR image of a scene; only where there is a folder of them."""
        if self.sar is None:
            raise ValueError("the request has no SAR images")
        return named_file(self.sar, name, *SAR_ENDINGS)


def evaluate(request: EvaluateRequest) -> dict[str, Any]:
    """Score a folder, write the result file and print the summary.

    Returns:
        Content of the result file.

    Raises:
        UserError: anything missing, damaged or inconsistent.
    """
    names = request.labels.names()
    # Mistakes are reported at once, not after minutes of scoring.
    predicted = prediction_files(request.predictions, names)
    _require_sar(request, names)
    _keep_inputs(request, names, predicted.values())
    odd_labels = _check_labels(request, names)
    fronts_folder = (
        nullcontext() if request.fronts_out is None else atomic_files_into(request.fronts_out)
    )
    # The fronts appear after the last score and the result after the fronts, or none of them.
    with atomic_file(request.out) as out, fronts_folder as fronts_out:
        result = _score(request, names, fronts_out)
        result["text"] += odd_labels
        out.write_text(json_text(result), encoding="utf-8")
    print_summary(result)
    return result


def _score(
    request: EvaluateRequest, names: Sequence[str], fronts_out: Path | None
) -> dict[str, Any]:
    scores = score_folder(
        request.predictions, request.labels, names, workers=request.workers, fronts_out=fronts_out
    )
    sizes_px = {score.name: (score.height_px, score.width_px) for score in scores}
    dataset = describe_dataset(
        request.name,
        source="folders",
        synthetic=_any_marked_synthetic(request.labels, names),
        comparable_with_published=is_official_test(names, sizes_px),
    )
    baselines = score_baselines(
        request.labels,
        names,
        sar_path=None if request.sar is None else request.sar_path,
        workers=request.workers,
    )
    result = build_result(dataset, [RunScores(None, scores)], baselines, per_image=True)
    result["text"] += _unused_warnings(request, names)
    return result


def _check_labels(request: EvaluateRequest, names: Sequence[str]) -> list[str]:
    """Refuse labels that cannot belong together, and return a line on those that are odd."""

    def check(name: str) -> str | None:
        scene = request.labels.read(name)
        fault = label_fault(scene.zones, scene.front, scene.spacing_m)
        file = request.labels.front_file(name)
        if fault is not None and fault.impossible:
            raise UserError(file, fault.problem, fault.fix)
        return None if fault is None else f"{file.name}: {fault.problem}; {fault.fix}"

    checked = map_images(check, names, "checking labels", request.workers)
    odd = [line for line in checked if line is not None]
    return [f"{len(odd)} labelled fronts look odd, the first is {odd[0]}"] if odd else []


def _require_sar(request: EvaluateRequest, names: Sequence[str]) -> None:
    if request.sar is None:
        return
    if not request.sar.is_dir():
        raise UserError(
            request.sar, "the folder does not exist", "give the folder of the SAR images"
        )
    list_named(request.sar, *SAR_ENDINGS).refuse_repeated()
    missing = [name for name in names if not request.sar_path(name).is_file()]
    if missing:
        raise UserError(
            request.sar,
            f"{len(missing)} of {len(names)} SAR images are missing, the first is {missing[0]}",
            "add NAME.png for every scene, or leave out --sar",
        )


def _keep_inputs(request: EvaluateRequest, names: Sequence[str], predicted: Iterable[Path]) -> None:
    """Refuse to write where something is read: predicted and labelled fronts share their names."""
    out = realpath(request.out)
    if out in {realpath(path) for path in (*_label_files(request, names), *predicted)}:
        raise UserError(request.out, "--out is a file that is read", "give another file")
    if request.fronts_out is None:
        return
    fronts_out = realpath(request.fronts_out)
    if fronts_out == out:
        raise UserError(
            request.out, "--out and --fronts-out are the same", "give a file and a folder"
        )
    for content, folder in request.folders.items():
        if fronts_out == realpath(folder):
            raise UserError(
                request.fronts_out,
                f"--fronts-out is the folder of the {content}",
                "give a folder of its own",
            )


def _label_files(request: EvaluateRequest, names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        yield request.labels.zones_file(name)
        yield request.labels.front_file(name)
        yield request.labels.box_file(name)
        if request.sar is not None:
            yield request.sar_path(name)


def _any_marked_synthetic(labels: LabelFolders, names: Sequence[str]) -> bool:
    """Return whether any zone mask carries a text entry that calls it synthetic."""
    return any(
        SYNTHETIC_MARK in f"{key} {value}".lower()
        for name in names
        for key, value in read_notes(labels.zones_file(name)).items()
    )


def _unused_warnings(request: EvaluateRequest, names: Sequence[str]) -> list[str]:
    """List what is in the folders that are read and was not: a scene may hide in it."""
    labels, scenes = request.labels, set(names)
    places: dict[str, tuple[Path, tuple[str, ...]]] = {
        "zone masks": (labels.zones, ZONES_ENDINGS),
        "labelled fronts": (labels.fronts, FRONT_ENDINGS),
        "bounding boxes": (labels.boxes, (BOX_ENDING,)),
        "predictions": (request.predictions, PREDICTION_ENDINGS),
    }
    if request.sar is not None:
        places["SAR images"] = (request.sar, SAR_ENDINGS)
    # Labels of several kinds may be in one folder, and results beside what is read.
    known = {realpath(path) for path in (request.out, request.fronts_out) if path is not None}
    known |= {realpath(path) for path in _label_files(request, names)}
    warnings = []
    for content, (folder, endings) in places.items():
        listed = list_named(folder, *endings)
        extra = [path for name, path in listed.files.items() if name not in scenes]
        if extra and content != "bounding boxes":  # the official folder holds those of all splits
            names_shown = some_names(extra)
            warnings.append(
                f"{len(extra)} {content} belong to no scene and were not scored: {names_shown}"
            )
        others = [path for path in listed.others if realpath(path) not in known]
        if others:
            names_shown = some_names(others)
            warnings.append(
                f"{len(others)} entries of the folder of the {content} were not read: {names_shown}"
            )
    return warnings
