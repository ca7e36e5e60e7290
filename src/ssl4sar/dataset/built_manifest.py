"""Comparing a built dataset with the manifest that its maker left in its root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import size_difference
from ssl4sar.core.pair_layout import (
    MANIFEST_NAME,
    PAIR_SPLITS,
    PairTree,
    optical_glacier,
    sar_glacier,
)
from ssl4sar.dataset.pair_check import ImageFacts
from ssl4sar.dataset.pair_manifest import PairImage, PairManifest, SarImage
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.problems import Problem

#: Picture of the card that may be beside the manifest.
CARD_PICTURE: Final = "dataset.png"


def read_built_manifest(
    tree: PairTree, rules: PairRules, facts: Sequence[ImageFacts]
) -> tuple[PairManifest | None, list[Problem]]:
    """Read the manifest that a built dataset must have, and compare it with the files.

    Args:
        tree: folders of the dataset.
        rules: what is asked of it.
        facts: what its images say.

    Returns:
        The manifest, None for other sources and where it cannot be read; what is wrong.
    """
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
        *_contradictions(tree, rules, manifest, facts),
        *_declared_test_glaciers(manifest, rules),
    ]


def images_by_file(manifest: PairManifest | None) -> Mapping[str, PairImage]:
    """Return every entry of a manifest by its file; nothing without a manifest."""
    if manifest is None:
        return {}
    return {image.file: image for image in (*manifest.optical, *manifest.sar)}


def _declared_test_glaciers(manifest: PairManifest, rules: PairRules) -> Iterator[Problem]:
    """List glaciers that the maker of a dataset took for those of the test set."""
    if manifest.included_test_glaciers and not rules.allow_test_glaciers:
        names = ", ".join(manifest.included_test_glaciers)
        yield Problem(
            "error",
            MANIFEST_NAME,
            f"its maker says that it holds glaciers of the test set: {names}",
            "build the dataset without them, or set ssl4sar.allow_test_glaciers: true",
        )


def _contradictions(
    tree: PairTree, rules: PairRules, manifest: PairManifest, facts: Sequence[ImageFacts]
) -> Iterator[Problem]:
    fix = "build the dataset again"
    if Path(manifest.root).resolve() != tree.root.resolve():
        problem = f"its root is {manifest.root}, not the folder that it is in"
        yield Problem("error", MANIFEST_NAME, problem, fix)
        return
    listed = images_by_file(manifest)
    named = _by_name(tree)
    for fact in facts:
        image = listed.get(fact.file)
        if image is not None and _place(image) != named[fact.file]:
            said = " ".join(filter(None, _place(image)))
            there = " ".join(filter(None, named[fact.file]))
            problem = f"{MANIFEST_NAME} calls it {said}, by its folder and name it is {there}"
            yield Problem("error", fact.file, problem, fix)
        if image is None:
            yield Problem("error", fact.file, f"{MANIFEST_NAME} does not list the file", fix)
        elif fact.record is not None and fact.record.sha256 != image.sha256:
            problem = f"the file is not the one that {MANIFEST_NAME} lists: its content differs"
            yield Problem("error", fact.file, problem, fix)
        elif fact.shape is not None:
            listed_shape = (image.height, image.width)
            fault = size_difference(fact.shape, listed_shape, MANIFEST_NAME)
            if fault is None and fact.grid is not None and image.grid is not None:
                fault = fact.grid.difference(image.grid, MANIFEST_NAME)
            if fault is not None:
                yield Problem("error", fact.file, fault, fix)
    for file in listed:
        if not (tree.root / file).is_file() and rules.pattern_of(file) is None:
            problem = f"the file is missing that {MANIFEST_NAME} lists"
            yield Problem("error", file, problem, fix)


def _place(image: PairImage) -> tuple[str | None, ...]:
    """Return glacier and split of an entry; the split is None for an optical image."""
    return image.glacier, image.split if isinstance(image, SarImage) else None


def _by_name(tree: PairTree) -> dict[str, tuple[str | None, ...]]:
    """Return glacier and split of every image as its name and folder say."""
    named: dict[str, tuple[str | None, ...]] = {
        tree.name(path): (sar_glacier(path.name), split)
        for split in PAIR_SPLITS
        for path in tree.sar_images(split)
    }
    optical = {
        tree.name(path): (optical_glacier(path.name), None) for path in tree.optical_images()
    }
    return named | optical
