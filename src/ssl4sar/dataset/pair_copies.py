"""Images of a pretraining dataset that are there twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import PAIR_SPLITS, PairSplit, PairTree
from ssl4sar.dataset.pair_manifest import LeftOutImage, OpticalImage, PairImage, SarImage
from ssl4sar.dataset.problems import Problem


@dataclass(frozen=True)
class PairImages:
    """Images that could be read, with all that is known of them.

    Attributes:
        sar: the Sentinel-1 images, training before validation.
        optical: the optical image of every glacier.
    """

    sar: Sequence[SarImage]
    optical: Mapping[str, OpticalImage]


def without_copies(
    tree: PairTree, images: PairImages
) -> tuple[PairImages, tuple[LeftOutImage, ...], list[Problem]]:
    """Leave out validation images whose file is one of the training, too.

    A published dataset cannot be corrected by who uses it, so a copy must not stop the run. The one
    of the validation goes: it would be scored on what was learnt, whereas the training loses
    nothing that the original had. The validation loss only chooses the epoch and steers the
    learning rate; a few images fewer hardly move it.

    Returns:
        What is used; what is left out; warnings, and an error where no validation image is left.
    """
    training = {image.sha256: image for image in images.sar if image.split == "train"}
    kept: list[SarImage] = []
    left_out: list[LeftOutImage] = []
    problems: list[Problem] = []
    for image in images.sar:
        original = training.get(image.sha256)
        if image.split == "train" or original is None:
            kept.append(image)
            continue
        same = f"the image is the same file as {original.file}"
        left_out.append(LeftOutImage(file=image.file, why=same))
        problems.append(
            Problem(
                "warning",
                image.file,
                f"{same}: left out of the validation",
                "nothing, or replace one of the two by its own image",
            )
        )
    if left_out and not any(image.split == "val" for image in kept):
        problems.append(
            Problem(
                "error",
                tree.name(tree.sar["val"]),
                "no validation image is left without those that are also in the training",
                "add other validation images",
            )
        )
    used = {image.glacier for image in kept}
    optical = {name: image for name, image in images.optical.items() if name in used}
    return PairImages(kept, optical), tuple(left_out), problems


def copies_of_test_images(
    tree: PairTree, of_test_glaciers: Sequence[Path], images: PairImages
) -> Iterator[Problem]:
    """List images that are left out with a glacier of the test set under another name."""
    left_out = {sha256_file(path): tree.name(path) for path in of_test_glaciers}
    for image in (*images.optical.values(), *images.sar):
        if image.sha256 in left_out:
            problem = (
                f"the image is the same file as {left_out[image.sha256]}, which is left out with "
                "its glacier of the test set"
            )
            fix = "remove it or name it in ssl4sar.leave_out"
            yield Problem("error", image.file, problem, fix)


def repeated_images(images: PairImages) -> Iterator[Problem]:
    """List images that are used twice: equal byte by byte, or by one name in both splits."""
    first: dict[str, PairImage] = {}
    for image in (*images.optical.values(), *images.sar):
        other = first.setdefault(image.sha256, image)
        if other is not image:
            yield Problem(
                "warning",
                image.file,
                f"the image is the same file as {other.file}",
                "replace one of the two by its own image, or name one in ssl4sar.leave_out",
            )
    files: dict[PairSplit, dict[str, SarImage]] = {
        split: {Path(i.file).name: i for i in images.sar if i.split == split}
        for split in PAIR_SPLITS
    }
    for name in sorted(files["train"].keys() & files["val"].keys()):
        train, val = files["train"][name], files["val"][name]
        yield Problem(
            "warning",
            val.file,
            f"a training image has the same name ({train.file})",
            "make sure that they are two acquisitions",
        )
