"""Comparing a built dataset with the manifest that its maker left in its root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import MANIFEST_NAME, PairTree
from ssl4sar.dataset.pair_check import ImageFacts
from ssl4sar.dataset.pair_manifest import PairImage, PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.problems import Problem

#: Picture of the card that may be beside the manifest.
CARD_PICTURE: Final = "dataset.png"


def read_built_manifest(
    tree: PairTree, rules: PairRules, facts: Sequence[ImageFacts]
) -> tuple[PairManifest | None, list[Problem]]:
    """Read the manifest that a built dataset must have, and compare it with the files.

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
    return manifest, list(_contradictions(tree, rules, manifest, facts))


def images_by_file(manifest: PairManifest | None) -> Mapping[str, PairImage]:
    """Return every entry of a manifest by its file; nothing without a manifest."""
    if manifest is None:
        return {}
    return {image.file: image for image in (*manifest.optical, *manifest.sar)}


def _contradictions(
    tree: PairTree, rules: PairRules, manifest: PairManifest, facts: Sequence[ImageFacts]
) -> Iterator[Problem]:
    fix = "build the dataset again"
    if manifest.included_test_glaciers and not rules.allow_test_glaciers:
        names = ", ".join(manifest.included_test_glaciers)
        problem = f"its maker says that it holds glaciers of the test set: {names}"
        allow = "build the dataset without them, or set ssl4sar.allow_test_glaciers: true"
        yield Problem("error", MANIFEST_NAME, problem, allow)
    listed = images_by_file(manifest)
    for fact in facts:
        image = listed.get(fact.file)
        if image is None:
            yield Problem("error", fact.file, f"{MANIFEST_NAME} does not list the file", fix)
        elif fact.record is not None and fact.record.sha256 != image.sha256:
            problem = f"the file is not the one that {MANIFEST_NAME} lists: its content differs"
            yield Problem("error", fact.file, problem, fix)
    for file in listed:
        if not (tree.root / file).is_file() and rules.pattern_of(file) is None:
            problem = f"the file is missing that {MANIFEST_NAME} lists"
            yield Problem("error", file, problem, fix)
