"""Shape of the result file: every key, its type and its meaning.

Numbers are finite or null; unknown keys are refused.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssl4sar.core.errors import UserError

SCHEMA: Literal["ssl4sar.caffe-mde/1"] = "ssl4sar.caffe-mde/1"
ClassTable = dict[str, float | None]
SegmentationTable = dict[str, ClassTable]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Dataset(_Part):
    """The scored scenes."""

    name: str
    """Name of the run or of the scored model."""
    split: Literal["test"] = "test"
    """Part of the CaFFe tree."""
    source: Literal["synthetic", "local", "pangaea", "folders"]
    """Origin of the tree; folders: labels given on the command line."""
    synthetic: bool
    """Whether the scenes are rendered, not observed."""
    spacing_m: int | None
    """Pixel size the tree was resampled to, metres; null on native grids."""
    comparable_with_published: bool
    """True only on the official full-size test set."""
    note: str
    """What may be concluded from the numbers, in words."""


class Spread(_Part):
    """Statistics over the runs; null where no run has a value."""

    mean: float | None
    """Mean over the runs that have a value."""
    std: float | None
    """Population standard deviation (ddof 0) over them."""
    median: float | None
    """Median over them."""
    runs: int = Field(ge=0)
    """Number of runs that have a value."""


class Segmentation(_Part):
    """Precision, recall, F1 and IoU per zone and on average, 0-1."""

    pooled: SegmentationTable
    """From the summed confusion matrix of all images."""
    image_mean_absent_zero: SegmentationTable
    """Mean over images; a class absent from an image counts 0 (the benchmark's rule)."""
    image_mean_absent_skipped: SegmentationTable
    """Mean over images; absent classes left out."""


class FrontErrors(_Part):
    """Front error of a set of images in one run; null without any front."""

    n_images: int
    """Images of the set."""
    n_no_front: int
    """Images left out because they have no front."""
    mde_m: float | None
    """Mean of the pooled distances, metres."""
    std_m: float | None
    """Population standard deviation of the pooled distances, metres."""
    mde_image_mean_m: float | None
    """Mean of the image means, metres."""
    mde_length_weighted_m: float | None
    """Image means weighted with the length of the true front, metres."""
    n_distances: int
    """Number of pooled distances."""


class Run(_Part):
    """One trained network."""

    seed: int | None
    """Seed of the training; null for a scored folder."""
    mde_m: float | None
    """Mean distance error: mean of the pooled distances, metres."""
    std_m: float | None
    """Population standard deviation of the pooled distances, metres."""
    mde_image_mean_m: float | None
    """Mean of the image means, metres."""
    mde_length_weighted_m: float | None
    """Image means weighted with the length of the true front, metres."""
    no_front: int
    """Images without a front, left out of the distances."""
    n_distances: int
    """Number of pooled distances."""
    iou_pooled: float | None
    """Mean class IoU of the summed confusion matrix, 0-1."""
    iou_image_mean: float | None
    """Mean over images of the mean class IoU, absent classes counting 0; 0-1."""
    iou_image_mean_absent_skipped: float | None
    """Mean over images of the mean class IoU, absent classes left out; 0-1."""
    segmentation: Segmentation
    """All zone scores of the run."""


class Subset(_Part):
    """A subset of the images."""

    n_images: int
    """Images of the subset."""
    mde_m: Spread
    """Mean distance error over the runs, metres."""
    no_front: Spread
    """Images without a front over the runs."""
    runs: list[FrontErrors]
    """Front errors per run, in the order of the runs."""


class Published(_Part):
    """A published system on the official test set; not reproduced here."""

    system: str
    """Name."""
    mde_m: float
    """Mean distance error, metres."""
    mde_std_m: float | None
    """Standard deviation over its runs, metres."""
    mde_runs_m: list[float]
    """Its runs, metres, where known."""
    no_front: float | None
    """Images without a predicted front."""
    iou_percent: float | None
    """Zone IoU, percent."""
    source: str
    """Where the numbers stand."""
    remark: str | None
    """What a reader must know."""
    test_set: str
    """The images behind the numbers."""


class Baseline(_Part):
    """A prediction that was not learned."""

    title: str
    """What was predicted."""
    mde_m: float | None
    """Mean distance error, metres; null without any front."""
    no_front: int
    """Images without a front."""
    iou_pooled: float | None
    """Mean class IoU of the summed confusion matrix, 0-1."""
    iou_image_mean: float | None
    """Mean over images of the mean class IoU, absent classes counting 0; 0-1."""


class TrainingStart(_Part):
    """Where the fine-tuning started from."""

    variant: str
    """none, imagenet, optsimmim or opttranslator."""
    weights_sha256: list[str | None]
    """SHA-256 of the file with the starting weights of each run; null for random weights."""
    pretraining_source: str | None
    """Origin of the images of the pretraining; null without pretraining on the pretext tasks."""
    pretraining_synthetic: bool | None
    """Whether they are rendered, not observed."""
    excluded_glaciers: list[str]
    """Glaciers of the test set that were left out of the pretraining."""
    left_out_images: list[str]
    """Other images that were left out of it: by name, or as copies."""
    test_glaciers_seen: list[str]
    """Test glaciers that were in the pretraining; not empty makes the scores worthless as such."""


class PerImage(_Part):
    """One image of a scored folder."""

    mde_m: float | None
    """Mean distance, metres; null without a front."""
    max_m: float | None
    """Largest distance, metres."""
    n_distances: int
    """Number of distances."""
    predicted_front_px: int
    """Predicted front pixels within the box."""
    true_front_px: int
    """Labelled front pixels."""
    iou: ClassTable
    """IoU per zone and on average, 0-1; null for an absent class."""


class CaffeResult(_Part):
    """The result file."""

    schema_: Literal["ssl4sar.caffe-mde/1"] = Field(default=SCHEMA, alias="schema")
    """Version of this shape."""
    dataset: Dataset
    """What was scored."""
    starting_point: TrainingStart | None = None
    """Where the fine-tuning started from; null for a scored folder."""
    images: int
    """Number of scored images."""
    runs: list[Run] = Field(min_length=1)
    """One entry per trained network."""
    mde_m: Spread
    """Mean distance error over the runs, metres: the headline."""
    iou_pooled: Spread
    """Pooled IoU over the runs, 0-1."""
    segmentation: Segmentation
    """Zone scores, mean over the runs."""
    subsets: dict[str, Subset]
    """Subsets of the benchmark that hold images, e.g. ``glacier=COL,season=winter``."""
    floor_m: float | None
    """Mean distance error of the true zones: what the labels themselves allow."""
    baselines: dict[str, Baseline]
    """Trivial predictions through the same path."""
    published: list[Published]
    """Reference rows."""
    text: list[str]
    """Warnings in words."""
    per_image: dict[str, PerImage] | None = None
    """Scores per image, for a scored folder."""

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of builtins in the order of the file."""
        excluded = {"per_image"} if self.per_image is None else None
        return self.model_dump(mode="json", by_alias=True, exclude=excluded)


def validate_result(value: object, source: str = "result") -> CaffeResult:
    """Check a decoded result file.

    Args:
        value: what ``json.load`` gave.
        source: file named in the error.

    Returns:
        The result as typed object.

    Raises:
        UserError: a missing, unknown or wrong entry, named with its place.
    """
    try:
        return CaffeResult.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            source, f"{place}: {first['msg']}", "write it with the evaluation of this version"
        ) from error
