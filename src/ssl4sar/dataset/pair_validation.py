"""Checking a pretraining dataset: every file is read once, every problem is listed.

An error stops the workflow, because a later step would fail or learn what is wrong; a warning is
told and kept in the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import (
    MANIFEST_NAME,
    PAIR_SPLITS,
    PairSplit,
    PairTree,
    find_pair_tree,
    name_date,
    optical_glacier,
    sar_glacier,
)
from ssl4sar.core.processes import in_processes
from ssl4sar.dataset.pair_check import ImageFacts, check_optical, check_sar
from ssl4sar.dataset.pair_manifest import (
    ExcludedGlacier,
    OpticalImage,
    PairImage,
    PairManifest,
    SarImage,
)
from ssl4sar.dataset.pair_raster import Grid, georeferences
from ssl4sar.dataset.pair_report import PairCounts, PairReport
from ssl4sar.dataset.pair_selection import PairRules, Selection, select_pairs
from ssl4sar.dataset.problems import Problem, ordered


@dataclass(frozen=True)
class _Images:
    """Images that could be read, with all that is known of them."""

    sar: list[SarImage]
    optical: dict[str, OpticalImage]


def validate_pairs(root: str | Path, rules: PairRules, workers: int = 1) -> PairReport:
    """Read every file of a dataset once and list everything that is wrong.

    Args:
        root: folder of the dataset.
        rules: what is asked of it.
        workers: processes; the report does not depend on it.

    Returns:
        The report; problems are not raised (see :meth:`PairReport.checked_manifest`).

    Raises:
        UserError: the folder or one of its three folders does not exist.
    """
    tree = find_pair_tree(root)
    selection = select_pairs(tree, rules)
    optical_jobs, sar_jobs = list(selection.optical.values()), [s.path for s in selection.sar]
    optical = list(
        in_processes(partial(check_optical, tree), optical_jobs, workers, "checking optical images")
    )
    sar = list(in_processes(partial(check_sar, tree), sar_jobs, workers, "checking SAR images"))
    facts = [*optical, *sar]
    built, problems = _built_manifest(tree, rules, facts)
    images = _images(selection, optical, sar, built)
    problems += [
        *selection.problems,
        *(problem for fact in facts for problem in fact.problems),
        *_other_grids(images),
        *_shared_content(tree, selection, images),
        *_shared_names(images),
        *_stray_files(tree),
    ]
    excluded = _excluded(selection, built)
    sound = not any(problem.severity == "error" for problem in problems)
    return PairReport(
        str(root),
        rules,
        _manifest(root, rules, images, excluded, built) if sound else None,
        excluded,
        _counts(images, dict(zip(selection.optical, optical, strict=True))),
        ordered(problems),
    )


def _built_manifest(
    tree: PairTree, rules: PairRules, facts: Sequence[ImageFacts]
) -> tuple[PairManifest | None, list[Problem]]:
    """Read the manifest that a built dataset must have, and compare it with the files."""
    if rules.source != "built":
        return None, []
    path = tree.root / MANIFEST_NAME
    if not path.is_file():
        return None, [
            Problem(
                "error",
                MANIFEST_NAME,
                "the file is missing: a built dataset has a manifest",
                "build it again, or use the folder with ssl4sar.source: local",
            )
        ]
    try:
        manifest = PairManifest.read(path)
    except UserError as error:
        return None, [Problem("error", MANIFEST_NAME, error.problem, error.fix)]
    return manifest, [
        *_contradictions(tree, manifest, facts),
        *_told_test_glaciers(manifest, rules),
    ]


def _told_test_glaciers(manifest: PairManifest, rules: PairRules) -> Iterator[Problem]:
    """Tell glaciers that the maker of a dataset took for those of the test set."""
    if manifest.included_test_glaciers and not rules.allow_test_glaciers:
        names = ", ".join(manifest.included_test_glaciers)
        yield Problem(
            "error",
            MANIFEST_NAME,
            f"its maker says that it holds glaciers of the test set: {names}",
            "build the dataset without them, or set ssl4sar.allow_test_glaciers: true",
        )


def _contradictions(
    tree: PairTree, manifest: PairManifest, facts: Sequence[ImageFacts]
) -> Iterator[Problem]:
    fix = "build the dataset again"
    if Path(manifest.root).resolve() != tree.root.resolve():
        problem = f"its root is {manifest.root}, not the folder that it lies in"
        yield Problem("error", MANIFEST_NAME, problem, fix)
        return
    listed = _by_file(manifest)
    named = _by_name(tree)
    for fact in facts:
        image = listed.get(fact.file)
        if image is not None and _place(image) != named[fact.file]:
            told = " ".join(filter(None, _place(image)))
            there = " ".join(filter(None, named[fact.file]))
            problem = f"{MANIFEST_NAME} calls it {told}, by its folder and name it is {there}"
            yield Problem("error", fact.file, problem, fix)
        if image is None:
            yield Problem("error", fact.file, f"{MANIFEST_NAME} does not list the file", fix)
        elif fact.record is not None and fact.record.sha256 != image.sha256:
            problem = f"the file is not the one that {MANIFEST_NAME} lists: its content differs"
            yield Problem("error", fact.file, problem, fix)
        elif fact.grid is not None:
            difference = fact.grid.difference(_grid(image))
            if difference is not None:
                told = difference.replace("its optical image", MANIFEST_NAME)
                yield Problem("error", fact.file, told, fix)
    for file in listed:
        if not (tree.root / file).is_file():
            problem = f"the file is missing that {MANIFEST_NAME} lists"
            yield Problem("error", file, problem, fix)


def _place(image: PairImage) -> tuple[str | None, ...]:
    """Return glacier and split of an entry; the split is None for an optical image."""
    return image.glacier, image.split if isinstance(image, SarImage) else None


def _by_name(tree: PairTree) -> dict[str, tuple[str | None, ...]]:
    """Return glacier and split of every image as its name and folder tell."""
    named: dict[str, tuple[str | None, ...]] = {
        tree.name(path): (sar_glacier(path.name), split)
        for split in PAIR_SPLITS
        for path in tree.sar_images(split)
    }
    optical = {
        tree.name(path): (optical_glacier(path.name), None) for path in tree.optical_images()
    }
    return named | optical


def _by_file(manifest: PairManifest) -> dict[str, PairImage]:
    return {image.file: image for image in (*manifest.optical, *manifest.sar)}


def _grid(image: PairImage) -> Grid:
    return Grid(image.height, image.width, image.crs, image.transform, image.spacing_m)


def _images(
    selection: Selection,
    optical: Sequence[ImageFacts],
    sar: Sequence[ImageFacts],
    built: PairManifest | None,
) -> _Images:
    listed = {} if built is None else _by_file(built)
    readable: dict[str, OpticalImage] = {}
    for glacier, fact in zip(selection.optical, optical, strict=True):
        values = _values(fact, glacier, listed.get(fact.file))
        if values is not None:
            readable[glacier] = OpticalImage(**values, bands=fact.bands or 1)
    images: list[SarImage] = []
    for file, fact in zip(selection.sar, sar, strict=True):
        values = _values(fact, file.glacier, listed.get(fact.file))
        if values is not None:
            images.append(SarImage(**values, split=file.split))
    return _Images(images, readable)


def _values(fact: ImageFacts, glacier: str, listed: PairImage | None) -> dict[str, Any] | None:
    """Return the values of a manifest's entry: from the file, else from what its maker tells."""
    if fact.grid is None or fact.record is None:
        return None
    date = name_date(Path(fact.file).name)
    values: dict[str, Any] = {
        "file": fact.file,
        "glacier": glacier,
        "date": None if date is None else date.isoformat(),
        "height": fact.grid.height,
        "width": fact.grid.width,
        "spacing_m": fact.grid.spacing_m,
        "crs": fact.grid.crs,
        "transform": fact.grid.transform,
        "bytes": fact.record.bytes,
        "sha256": fact.record.sha256,
        "processing": None,
    }
    if listed is not None:
        for name, value in values.items():
            if value is None:
                values[name] = getattr(listed, name)
    return values


def _other_grids(images: _Images) -> Iterator[Problem]:
    """Tell SAR images that do not lie on the pixel grid of their optical image."""
    for image in images.sar:
        partner = images.optical.get(image.glacier)
        if partner is None:
            continue
        difference = _grid(image).difference(_grid(partner))
        if difference is not None:
            yield Problem(
                "error",
                image.file,
                f"{difference} ({partner.file})",
                f"bring all images of {image.glacier} to one pixel grid",
            )


def _shared_content(tree: PairTree, selection: Selection, images: _Images) -> Iterator[Problem]:
    """Tell images whose files are equal byte by byte."""
    fix = "replace one of the two by its own image"
    left_out = {sha256_file(path): tree.name(path) for path in selection.left_out}
    first: dict[str, PairImage] = {}
    for image in (*images.optical.values(), *images.sar):
        if image.sha256 in left_out:
            problem = (
                f"the image is the same file as {left_out[image.sha256]}, which is left out with "
                "its glacier of the test set"
            )
            yield Problem("error", image.file, problem, "remove it")
        other = first.setdefault(image.sha256, image)
        if other is not image:
            splits = {getattr(other, "split", None), getattr(image, "split", None)}
            yield Problem(
                "error" if splits == {"train", "val"} else "warning",
                image.file,
                f"the image is the same file as {other.file}",
                fix,
            )


def _shared_names(images: _Images) -> Iterator[Problem]:
    """Tell validation images whose name a training image has, too."""
    files: dict[PairSplit, dict[str, SarImage]] = {
        split: {Path(i.file).name: i for i in images.sar if i.split == split}
        for split in PAIR_SPLITS
    }
    for name in sorted(files["train"].keys() & files["val"].keys()):
        train, val = files["train"][name], files["val"][name]
        if train.sha256 != val.sha256:
            yield Problem(
                "warning",
                val.file,
                f"a training image has the same name ({train.file})",
                "make sure that they are two acquisitions",
            )


def _stray_files(tree: PairTree) -> Iterator[Problem]:
    for folder, images in (
        *((tree.sar[split], tree.sar_images(split)) for split in PAIR_SPLITS),
        (tree.optical, tree.optical_images()),
    ):
        expected = {path for image in images for path in (image, *georeferences(image))}
        for path in sorted(set(folder.iterdir()) - expected):
            what = "folder" if path.is_dir() else "file"
            problem = f"the {what} is no image of the dataset"
            yield Problem("warning", tree.name(path), problem, "remove it")


def _excluded(selection: Selection, built: PairManifest | None) -> tuple[ExcludedGlacier, ...]:
    """Return what was left out here and by the maker of the dataset."""
    here = {glacier.glacier: glacier for glacier in selection.excluded}
    earlier = {} if built is None else {glacier.glacier: glacier for glacier in built.excluded}
    both = {**earlier, **here}
    return tuple(both[glacier] for glacier in sorted(both))


def _manifest(
    root: str | Path,
    rules: PairRules,
    images: _Images,
    excluded: tuple[ExcludedGlacier, ...],
    built: PairManifest | None,
) -> PairManifest:
    glaciers = sorted(images.optical)
    return PairManifest(
        root=str(root),
        source=rules.source,
        synthetic=rules.source == "synthetic" or (built is not None and built.synthetic),
        allow_test_glaciers=rules.allow_test_glaciers,
        excluded=excluded,
        included_test_glaciers=tuple(
            name
            for name in glaciers
            if rules.is_test(name) or (built is not None and name in built.included_test_glaciers)
        ),
        optical=tuple(images.optical[glacier] for glacier in glaciers),
        sar=tuple(images.sar),
    )


def _counts(images: _Images, optical: Mapping[str, ImageFacts]) -> PairCounts:
    every: list[PairImage] = [*images.optical.values(), *images.sar]
    shares = {glacier: fact.valid_fraction for glacier, fact in optical.items()}
    return PairCounts(
        images={
            split: dict(sorted(Counter(i.glacier for i in images.sar if i.split == split).items()))
            for split in PAIR_SPLITS
        },
        height_px=_range(image.height for image in images.sar),
        width_px=_range(image.width for image in images.sar),
        valid_fraction={
            glacier: round(share, 6) for glacier, share in shares.items() if share is not None
        },
        bytes=sum(image.bytes for image in every),
    )


def _range(values: Iterable[int]) -> tuple[int, int] | None:
    listed = list(values)
    return (min(listed), max(listed)) if listed else None
