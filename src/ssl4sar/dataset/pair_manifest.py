"""The manifest of a pretraining dataset: every image with its glacier, grid and hash.

One format for all sources, also for what the SAR stage writes: ``dataset.json``. Only the images
that may be used are listed; glaciers that were left out are named with their counts, and images
that were left out one by one with the reason.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from ssl4sar.core.grid import Grid, Transform, size_difference
from ssl4sar.core.pair_layout import PAIR_SPLITS, PairSplit
from ssl4sar.core.record import RecordPart
from ssl4sar.dataset.manifest import DatasetManifest

PairSource = Literal["synthetic", "local", "zenodo", "built"]


def _is_below_the_root(file: str) -> str:
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != file or file == ".":
        raise ValueError(f"{file!r} is not a path below the root")
    return file


class _Part(RecordPart):
    model_config = ConfigDict(strict=True)


class PairImage(_Part):
    """Facts of one image.

    Attributes:
        file: path below the root, POSIX.
        glacier: name of the glacier, the same for a Sentinel-1 image and its optical partner.
        date: day of the acquisition, YYYY-MM-DD; None where it is not known.
        height: rows, pixels.
        width: columns, pixels.
        spacing_m: pixel size, metres; None where it is not known.
        crs: coordinate reference system, an authority code or WKT; None where it is not known.
        transform: (a, b, c, d, e, f) with x = a column + b row + c, y = d column + e row + f of
            the upper left corner of a pixel, in units of ``crs``; None where it is not known.
        bytes: size of the file.
        sha256: hash of the file.
        processing: how the image was made, plain values; None where it is not known.
    """

    file: Annotated[str, AfterValidator(_is_below_the_root)]
    glacier: str = Field(min_length=1)
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d\d-\d\d$")
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    spacing_m: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    crs: str | None = Field(default=None, min_length=1)
    # JSON has lists only.
    transform: Annotated[Transform, Field(strict=False)] | None = None
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    processing: dict[str, Any] | None = None

    @property
    def grid(self) -> Grid | None:
        """Its pixel grid; None where it is not known."""
        if self.transform is None:
            return None
        return Grid(self.height, self.width, self.transform, self.crs)

    def difference(self, other: PairImage, called: str) -> str | None:
        """Say how the pixel grid differs from that of another image, as far as both are known."""
        shape, grid = (self.height, self.width), self.grid
        fault = size_difference(shape, (other.height, other.width), called)
        if fault is not None or grid is None or other.grid is None:
            return fault
        return grid.difference(other.grid, called)


class SarImage(PairImage):
    """Facts of one Sentinel-1 image."""

    split: PairSplit


class OpticalImage(PairImage):
    """Facts of the optical image of a glacier.

    Attributes:
        bands: bands of the raster, pixels of 14 of which are used.
    """

    bands: int = Field(ge=1)


class ExcludedGlacier(_Part):
    """A glacier of the test set that was left out.

    Attributes:
        glacier: its name.
        train: Sentinel-1 images left out of the training.
        val: Sentinel-1 images left out of the validation.
        optical: optical images left out.
    """

    glacier: str
    train: int = Field(ge=0)
    val: int = Field(ge=0)
    optical: int = Field(ge=0)


class LeftOutImage(_Part):
    """An image that was left out by itself, not with its glacier.

    Attributes:
        file: path below the root, POSIX; of a scene that failed the name of its product.
        why: the pattern that names it, the image that it is a copy of, how far it is shifted, or
            why it could not be made.
    """

    file: Annotated[str, AfterValidator(_is_below_the_root)]
    why: str = Field(min_length=1)


class PairManifest(DatasetManifest):
    """A checked dataset.

    Attributes:
        source: where the images come from.
        synthetic: whether they are rendered, not observed.
        allow_test_glaciers: whether glaciers of the test set were allowed.
        excluded: glaciers of the test set that were left out, by name.
        left_out: other images that were left out, by file.
        included_test_glaciers: glaciers of the test set that are in it because they were allowed;
            a result from them is marked.
        optical: the optical image of every glacier, by glacier.
        sar: the Sentinel-1 images, training before validation, each by file.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.pretraining-dataset/1"
    NAME: ClassVar[str] = "manifest of a pretraining dataset"
    FIX: ClassVar[str] = "remove it and rerun the workflow, or have its maker write it again"
    model_config = ConfigDict(strict=True)

    source: PairSource
    synthetic: bool
    allow_test_glaciers: bool
    excluded: tuple[ExcludedGlacier, ...] = Field(strict=False)
    left_out: tuple[LeftOutImage, ...] = Field(default=(), strict=False)
    included_test_glaciers: tuple[str, ...] = Field(strict=False)
    optical: tuple[OpticalImage, ...] = Field(strict=False)
    sar: tuple[SarImage, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _every_image_has_its_partner(self) -> Self:
        glaciers = [image.glacier for image in self.optical]
        files = [image.file for image in (*self.optical, *self.sar)]
        for named, what in ((glaciers, "optical image of"), (files, "file")):
            for name, times in Counter(named).items():
                if times > 1:
                    raise ValueError(f"the {what} {name} is listed twice")
        partners = {image.glacier: image for image in self.optical}
        for image in self.sar:
            partner = partners.get(image.glacier)
            if partner is None:
                raise ValueError(f"{image.file} has no optical image of {image.glacier}")
            if (partner.height, partner.width) != (image.height, image.width):
                raise ValueError(f"{image.file} and {partner.file} differ in size")
        return self

    @property
    def glaciers(self) -> tuple[str, ...]:
        """Names of the glaciers, in order."""
        return tuple(image.glacier for image in self.optical)

    @cached_property
    def _partners(self) -> dict[str, OpticalImage]:
        return {image.glacier: image for image in self.optical}

    def partner(self, image: SarImage) -> OpticalImage:
        """Return the optical image of a Sentinel-1 image."""
        return self._partners[image.glacier]

    def path(self, image: PairImage) -> Path:
        """Return where an image is."""
        return Path(self.root) / image.file

    def images(self, split: PairSplit) -> tuple[SarImage, ...]:
        """Return the Sentinel-1 images of a split."""
        return tuple(image for image in self.sar if image.split == split)

    def facts(self) -> dict[str, Any]:
        """Return what a reader of a result must know of the dataset, as plain values."""
        return {
            "source": self.source,
            "synthetic": self.synthetic,
            "glaciers": list(self.glaciers),
            "images": {split: len(self.images(split)) for split in PAIR_SPLITS},
            "excluded": [excluded.glacier for excluded in self.excluded],
            "left_out": [image.file for image in self.left_out],
            "allow_test_glaciers": self.allow_test_glaciers,
            "included_test_glaciers": list(self.included_test_glaciers),
        }
