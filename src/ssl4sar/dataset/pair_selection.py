"""Which images of a pretraining dataset are used, by the names of their files.

Images of the test set's glaciers are left out before anything else, unless they are allowed: a
network that has seen them would be scored on what it knows. Then those go that the user names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ssl4sar.core.pair_layout import (
    BENCHMARK_TEST_GLACIERS,
    PAIR_SPLITS,
    PairSplit,
    PairTree,
    is_named_after,
    optical_glacier,
    sar_glacier,
)
from ssl4sar.dataset.pair_manifest import ExcludedGlacier, LeftOutImage, PairSource
from ssl4sar.dataset.problems import Problem


@dataclass(frozen=True)
class PairRules:
    """What is asked of a dataset.

    Attributes:
        source: where the images come from; ``built`` needs a manifest in the folder.
        test_glaciers: further glaciers of the test set by all their names; glaciers named after
            them are meant too, see :func:`~ssl4sar.core.pair_layout.is_named_after`.
        allow_test_glaciers: use them all the same.
        leave_out: images that are not used, see :meth:`pattern_of`.
    """

    source: PairSource
    test_glaciers: tuple[str, ...]
    allow_test_glaciers: bool = False
    leave_out: tuple[str, ...] = ()

    def is_test(self, glacier: str) -> bool:
        """Return whether a glacier is one of the test set."""
        return is_named_after(glacier, (*BENCHMARK_TEST_GLACIERS, *self.test_glaciers))

    def pattern_of(self, file: str) -> str | None:
        """Return the first entry of ``leave_out`` that means an image; None without one.

        An entry is the image's name or its path below the root, whole or with ``*``, ``?`` and
        ``[...]`` as in a shell, in this very case.

        Args:
            file: path of the image below the root, POSIX.
        """
        return next((pattern for pattern in self.leave_out if _means(pattern, file)), None)


@dataclass(frozen=True)
class SarFile:
    """A Sentinel-1 image that is used."""

    path: Path
    split: PairSplit
    glacier: str


@dataclass(frozen=True)
class Selection:
    """What is used of a dataset, and what its names say about the rest.

    Attributes:
        sar: Sentinel-1 images with an optical partner, training first, each by name.
        optical: optical image by glacier, of glaciers with Sentinel-1 images.
        excluded: glaciers of the test set that were left out.
        excluded_paths: their images.
        left_out: other images that were left out because the user names them.
        problems: what is wrong by the names alone.
    """

    sar: tuple[SarFile, ...]
    optical: dict[str, Path]
    excluded: tuple[ExcludedGlacier, ...]
    excluded_paths: tuple[Path, ...]
    left_out: tuple[LeftOutImage, ...]
    problems: tuple[Problem, ...]


def select_pairs(tree: PairTree, rules: PairRules) -> Selection:
    """Choose the images that are used.

    Args:
        tree: folders of the dataset.
        rules: what is asked of it.
    """
    leave_out = _LeftOut(tree, rules)
    problems: list[Problem] = []
    candidates: defaultdict[str, list[Path]] = defaultdict(list)
    for path in tree.optical_images():
        glacier = optical_glacier(path.name)
        if leave_out.takes(glacier, "optical", path):
            continue
        if glacier is None:
            problems.append(_nameless(tree, path, "first"))
        else:
            candidates[glacier].append(path)
    optical = {glacier: candidates[glacier][0] for glacier in sorted(candidates)}
    sar: list[SarFile] = []
    for split in PAIR_SPLITS:
        for path in tree.sar_images(split):
            glacier = sar_glacier(path.name)
            if leave_out.takes(glacier, split, path):
                continue
            if glacier is None:
                problems.append(_nameless(tree, path, "second"))
            elif glacier in optical:
                sar.append(SarFile(path, split, glacier))
            else:
                problems.append(_partnerless(tree, path, glacier, optical))
    used = {image.glacier for image in sar}
    problems += _unused_optical(tree, candidates, used)
    problems += _too_few(tree, sar, leave_out)
    problems += _vain_patterns(tree, rules)
    return Selection(
        tuple(sar),
        {glacier: path for glacier, path in optical.items() if glacier in used},
        leave_out.glaciers(),
        tuple(leave_out.excluded_paths),
        tuple(leave_out.images),
        tuple(problems),
    )


def _means(pattern: str, file: str) -> bool:
    names = (file, file.rsplit("/", 1)[-1])
    # A name may hold brackets of its own.
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


class _LeftOut:
    """Counts the images of the test set's glaciers and lists those that the user names."""

    def __init__(self, tree: PairTree, rules: PairRules) -> None:
        self._tree = tree
        self._rules = rules
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.excluded_paths: list[Path] = []
        self.images: list[LeftOutImage] = []

    def takes(self, glacier: str | None, kind: str, path: Path) -> bool:
        """Return whether an image is left out, and note it if so."""
        # The test set first: its images are looked for under other names, too.
        allowed = self._rules.allow_test_glaciers
        if glacier is not None and not allowed and self._rules.is_test(glacier):
            self.counts[glacier][kind] += 1
            self.excluded_paths.append(path)
            return True
        file = self._tree.name(path)
        pattern = self._rules.pattern_of(file)
        if pattern is None:
            return False
        self.images.append(LeftOutImage(file=file, why=f"ssl4sar.leave_out: {pattern}"))
        return True

    def glaciers(self) -> tuple[ExcludedGlacier, ...]:
        return tuple(
            ExcludedGlacier(
                glacier=glacier,
                train=self.counts[glacier]["train"],
                val=self.counts[glacier]["val"],
                optical=self.counts[glacier]["optical"],
            )
            for glacier in sorted(self.counts)
        )


def _nameless(tree: PairTree, path: Path, place: str) -> Problem:
    return Problem(
        "error",
        tree.name(path),
        "the name has no glacier",
        f"rename it (tokens are separated by _, the {place} one is the glacier) or name it in "
        "ssl4sar.leave_out",
    )


def _partnerless(tree: PairTree, path: Path, glacier: str, optical: Mapping[str, Path]) -> Problem:
    there = ", ".join(optical) or "none"
    return Problem(
        "error",
        tree.name(path),
        f"there is no optical image of the glacier {glacier} (there are: {there})",
        f"add {glacier}_*.tif, correct the name, or name the image in ssl4sar.leave_out",
    )


def _unused_optical(
    tree: PairTree, candidates: Mapping[str, list[Path]], used: set[str]
) -> Iterator[Problem]:
    for glacier, paths in candidates.items():
        for path in paths[1:]:
            yield Problem(
                "warning",
                tree.name(path),
                f"{glacier} has another optical image already: {paths[0].name} is used, the "
                "first by name",
                "remove one of the two",
            )
        if glacier not in used:
            yield Problem(
                "warning",
                tree.name(paths[0]),
                f"there is no SAR image of the glacier {glacier}: not used",
                "add SAR images or remove it",
            )


def _too_few(tree: PairTree, sar: list[SarFile], leave_out: _LeftOut) -> Iterator[Problem]:
    names: dict[PairSplit, str] = {"train": "training", "val": "validation"}
    for split, name in names.items():
        if any(image.split == split for image in sar):
            continue
        problem, fix = f"there is no {name} image", "add images with an optical partner"
        excluded = [glacier for glacier, counts in leave_out.counts.items() if counts[split]]
        folder = tree.name(tree.sar[split])
        if excluded:
            problem = (
                f"no {name} image is left without the glaciers of the test set "
                f"({', '.join(sorted(excluded))})"
            )
            fix = "add images of other glaciers, or set ssl4sar.allow_test_glaciers: true"
        elif any(image.file.startswith(f"{folder}/") for image in leave_out.images):
            problem = f"no {name} image is left without those that ssl4sar.leave_out names"
            fix = "name fewer images in ssl4sar.leave_out"
        yield Problem("error", folder, problem, fix)
    glaciers = sorted({image.glacier for image in sar})
    if len(glaciers) == 1:
        yield Problem(
            "warning",
            tree.name(tree.sar["train"]),
            f"all images are of one glacier, {glaciers[0]}: there is nothing to generalise over",
            "add images of other glaciers if there are any",
        )


def _vain_patterns(tree: PairTree, rules: PairRules) -> Iterator[Problem]:
    """List the entries of ``leave_out`` that mean no image: slips of the pen, as a rule."""
    paths = [*tree.optical_images(), *(p for split in PAIR_SPLITS for p in tree.sar_images(split))]
    files = [tree.name(path) for path in paths]
    vain = [p for p in rules.leave_out if not any(_means(p, file) for file in files)]
    if vain:
        problem = f"no image of the dataset is called {', '.join(vain)}"
        yield Problem("warning", "ssl4sar.leave_out", problem, "correct it or take it out")
