"""Checking a pretraining dataset: every file is read once, every problem is listed.

An error stops the workflow, because a later step would fail or learn what is wrong; a warning is
reported, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ssl4sar.core.image import georeferences
from ssl4sar.core.named_files import is_image, visible_entries
from ssl4sar.core.pair_layout import PAIR_SPLITS, PairTree, find_pair_tree, name_date
from ssl4sar.core.processes import in_processes
from ssl4sar.dataset.built_manifest import CARD_PICTURE, images_by_file, read_built_manifest
from ssl4sar.dataset.pair_check import ImageFacts, check_optical, check_sar
from ssl4sar.dataset.pair_copies import (
    PairImages,
    copies_of_test_images,
    repeated_images,
    without_copies,
)
from ssl4sar.dataset.pair_manifest import (
    ExcludedGlacier,
    LeftOutImage,
    OpticalImage,
    PairImage,
    PairManifest,
    SarImage,
)
from ssl4sar.dataset.pair_report import PairCounts, PairReport
from ssl4sar.dataset.pair_selection import PairRules, Selection, select_pairs
from ssl4sar.dataset.problems import Problem, limits, ordered


def validate_pairs(root: str | Path, rules: PairRules, workers: int = 1) -> PairReport:
    """Read every file of a dataset once and list everything that is wrong.

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
    built, problems = read_built_manifest(tree, rules, facts)
    readable = _images(selection, optical, sar, built)
    images, copies, of_copies = without_copies(tree, readable)
    problems += [
        *selection.problems,
        *(problem for fact in facts for problem in fact.problems),
        *_converted(sar),
        *of_copies,
        *_other_grids(images),
        *copies_of_test_images(tree, selection.excluded_paths, images),
        *repeated_images(images),
        *_stray_files(tree),
        *_unknown_places(tree),
    ]
    excluded = _excluded(selection, built)
    left_out = _left_out((*selection.left_out, *copies), built)
    sound = not any(problem.severity == "error" for problem in problems)
    return PairReport(
        root=str(root),
        rules=rules,
        manifest=_manifest(root, rules, images, excluded, left_out, built) if sound else None,
        excluded=excluded,
        left_out=left_out,
        counts=_counts(images, dict(zip(selection.optical, optical, strict=True))),
        problems=ordered(problems),
    )


def _images(
    selection: Selection,
    optical: Sequence[ImageFacts],
    sar: Sequence[ImageFacts],
    built: PairManifest | None,
) -> PairImages:
    listed = images_by_file(built)
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
    return PairImages(images, readable)


def _values(fact: ImageFacts, glacier: str, listed: PairImage | None) -> dict[str, Any] | None:
    """Return the values of a manifest's entry: from the file, else from what its maker says."""
    if fact.shape is None or fact.record is None:
        return None
    grid = fact.grid
    date = name_date(Path(fact.file).name)
    values: dict[str, Any] = {
        "file": fact.file,
        "glacier": glacier,
        "date": None if date is None else date.isoformat(),
        "height": fact.shape[0],
        "width": fact.shape[1],
        "spacing_m": None if grid is None else grid.spacing_m,
        "crs": None if grid is None else grid.crs,
        "transform": None if grid is None else grid.transform,
        "bytes": fact.record.bytes,
        "sha256": fact.record.sha256,
        "processing": None,
    }
    if listed is not None:
        for name, value in values.items():
            if value is None:
                values[name] = getattr(listed, name)
    return values


def _converted(facts: Sequence[ImageFacts]) -> Iterator[Problem]:
    """List images that are grey, but not stored so: one line for all of a kind."""
    kinds: dict[str, list[str]] = {}
    for fact in facts:
        if fact.converted_from is not None:
            kinds.setdefault(fact.converted_from, []).append(fact.file)
    for mode, files in kinds.items():
        more = f"; so have {len(files) - 1} more" if len(files) > 1 else ""
        yield Problem(
            "warning",
            files[0],
            f"the image has mode {mode}, not 8-bit grey, but equal channels: read as grey{more}",
            "nothing: no pixel changes",
        )


def _other_grids(images: PairImages) -> Iterator[Problem]:
    """List SAR images that are not on the pixel grid of their optical image."""
    for image in images.sar:
        partner = images.optical.get(image.glacier)
        if partner is None:
            continue
        difference = image.difference(partner, "its optical image")
        if difference is not None:
            yield Problem(
                "error",
                image.file,
                f"{difference} ({partner.file})",
                f"bring all images of {image.glacier} to one pixel grid, or name it in "
                "ssl4sar.leave_out",
            )


def _stray_files(tree: PairTree) -> Iterator[Problem]:
    for folder, images in (
        *((tree.sar[split], tree.sar_images(split)) for split in PAIR_SPLITS),
        (tree.optical, tree.optical_images()),
    ):
        by_name: dict[str, Path] = {}
        for image in images:
            other = by_name.setdefault(image.name.lower(), image)
            if other is not image:
                problem = f"its name differs from {other.name} by case only"
                yield Problem("error", tree.name(image), problem, "keep one of the two")
        expected = {path for image in images for path in (image, *georeferences(image))}
        for path in visible_entries(folder):
            if path not in expected:
                what = "folder" if path.is_dir() else "file"
                problem = f"the {what} is not an image of the dataset"
                yield Problem("warning", tree.name(path), problem, "remove it")


def _unknown_places(tree: PairTree) -> Iterator[Problem]:
    """List folders and images around the three folders: they are not used."""
    used = {*tree.sar.values(), tree.optical}
    around = {
        folder for place in used for folder in place.parents if folder.is_relative_to(tree.root)
    }
    for folder in sorted(around):
        for path in visible_entries(folder):
            if path in used or path in around or not (path.is_dir() or is_image(path)):
                continue
            if path == tree.root / CARD_PICTURE:
                continue
            what = "folder" if path.is_dir() else "file"
            problem = f"the {what} is in none of the folders of the dataset and is not used"
            fix = f"move images into {', '.join(sorted(tree.name(place) for place in used))}"
            yield Problem("warning", tree.name(path), problem, f"{fix}, or remove it")


def _excluded(selection: Selection, built: PairManifest | None) -> tuple[ExcludedGlacier, ...]:
    """Return what was left out here and by the maker of the dataset."""
    here = {glacier.glacier: glacier for glacier in selection.excluded}
    earlier = {} if built is None else {glacier.glacier: glacier for glacier in built.excluded}
    both = {**earlier, **here}
    return tuple(both[glacier] for glacier in sorted(both))


def _left_out(here: Sequence[LeftOutImage], built: PairManifest | None) -> tuple[LeftOutImage, ...]:
    """Return the images that were left out one by one, here and by the maker of the dataset."""
    by_file = {image.file: image for image in (*(built.left_out if built else ()), *here)}
    return tuple(by_file[file] for file in sorted(by_file))


def _manifest(
    root: str | Path,
    rules: PairRules,
    images: PairImages,
    excluded: tuple[ExcludedGlacier, ...],
    left_out: tuple[LeftOutImage, ...],
    built: PairManifest | None,
) -> PairManifest:
    glaciers = sorted(images.optical)
    return PairManifest(
        root=str(root),
        source=rules.source,
        synthetic=rules.source == "synthetic" or (built is not None and built.synthetic),
        allow_test_glaciers=rules.allow_test_glaciers,
        excluded=excluded,
        left_out=left_out,
        included_test_glaciers=tuple(
            name
            for name in glaciers
            if rules.is_test(name) or (built is not None and name in built.included_test_glaciers)
        ),
        optical=tuple(images.optical[glacier] for glacier in glaciers),
        sar=tuple(images.sar),
    )


def _counts(images: PairImages, optical: Mapping[str, ImageFacts]) -> PairCounts:
    every: list[PairImage] = [*images.optical.values(), *images.sar]
    shares = {glacier: fact.valid_fraction for glacier, fact in optical.items()}
    return PairCounts(
        images={
            split: dict(sorted(Counter(i.glacier for i in images.sar if i.split == split).items()))
            for split in PAIR_SPLITS
        },
        height_px=limits(image.height for image in images.sar),
        width_px=limits(image.width for image in images.sar),
        valid_fraction={
            glacier: round(share, 6) for glacier, share in shares.items() if share is not None
        },
        bytes=sum(image.bytes for image in every),
    )
