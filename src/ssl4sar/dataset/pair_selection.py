"""Which images of a pretraining dataset are used, by the names of their files.

Images of the test set's glaciers are left out before anything else, unless they are allowed: a
network that has seen them would be scored on what it knows. Then those go that the user names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
    """Choose the images that are used."""
    listed = [("optical", path, optical_glacier(path.name)) for path in tree.optical_images()]
    for split in PAIR_SPLITS:
        listed += [(split, path, sar_glacier(path.name)) for path in tree.sar_images(split)]
    excluded: defaultdict[str, Counter[str]] = defaultdict(Counter)
    excluded_paths: list[Path] = []
    left_out: list[LeftOutImage] = []
    problems: list[Problem] = []
    candidates: defaultdict[str, list[Path]] = defaultdict(list)
    optical: dict[str, Path] = {}
    sar: list[SarFile] = []
    for kind, path, glacier in listed:
        file = tree.name(path)
        # The test set first: its images are looked for under other names, too.
        if glacier is not None and not rules.allow_test_glaciers and rules.is_test(glacier):
            excluded[glacier][kind] += 1
            excluded_paths.append(path)
        elif (pattern := rules.pattern_of(file)) is not None:
            left_out.append(LeftOutImage(file=file, why=f"ssl4sar.leave_out: {pattern}"))
        elif glacier is None:
            problems.append(_nameless(file, "first" if kind == "optical" else "second"))
        elif kind == "optical":
            candidates[glacier].append(path)
            optical.setdefault(glacier, path)
        elif glacier in optical:
            sar.append(SarFile(path, "train" if kind == "train" else "val", glacier))
        else:
            problems.append(_partnerless(file, glacier, sorted(optical)))
    used = {image.glacier for image in sar}
    problems += _unused_optical(tree, candidates, used)
    problems += _too_few(tree, sar, excluded, left_out)
    problems += _vain_patterns([tree.name(path) for _, path, _ in listed], rules)
    return Selection(
        tuple(sar),
        {glacier: optical[glacier] for glacier in sorted(optical) if glacier in used},
        tuple(
            ExcludedGlacier(
                glacier=glacier, train=counts["train"], val=counts["val"], optical=counts["optical"]
            )
            for glacier, counts in sorted(excluded.items())
        ),
        tuple(excluded_paths),
        tuple(left_out),
        tuple(problems),
    )


def _means(pattern: str, file: str) -> bool:
    names = (file, file.rsplit("/", 1)[-1])
    # A name may hold brackets of its own.
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def _nameless(file: str, place: str) -> Problem:
    return Problem(
        "error",
        file,
        "the name has no glacier",
        f"rename it (tokens are separated by _, the {place} one is the glacier) or name it in "
        "ssl4sar.leave_out",
    )


def _partnerless(file: str, glacier: str, optical: Sequence[str]) -> Problem:
    there = ", ".join(optical) or "none"
    return Problem(
        "error",
        file,
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


def _too_few(
    tree: PairTree,
    sar: Sequence[SarFile],
    excluded: Mapping[str, Counter[str]],
    left_out: Sequence[LeftOutImage],
) -> Iterator[Problem]:
    names: dict[PairSplit, str] = {"train": "training", "val": "validation"}
    for split, name in names.items():
        if any(image.split == split for image in sar):
            continue
        problem, fix = f"there is no {name} image", "add images with an optical partner"
        tested = sorted(glacier for glacier, counts in excluded.items() if counts[split])
        folder = tree.name(tree.sar[split])
        if tested:
            problem = (
                f"no {name} image is left without the glaciers of the test set "
                f"({', '.join(tested)})"
            )
            fix = "add images of other glaciers, or set ssl4sar.allow_test_glaciers: true"
        elif any(image.file.startswith(f"{folder}/") for image in left_out):
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


def _vain_patterns(files: Sequence[str], rules: PairRules) -> Iterator[Problem]:
    """List the entries of ``leave_out`` that mean no image: slips of the pen, as a rule."""
    vain = [p for p in rules.leave_out if not any(_means(p, file) for file in files)]
    if vain:
        problem = f"no image of the dataset is called {', '.join(vain)}"
        yield Problem("warning", "ssl4sar.leave_out", problem, "correct it or take it out")
