"""Shape of the result and of the comparison: every key, its type and its meaning.

Numbers are finite or null; unknown keys are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssl4sar.config.models import Task, Weights
from ssl4sar.core.errors import UserError

ClassTable = dict[str, float | None]
SegmentationTable = dict[str, ClassTable]
_RECALL = (
    "Share of the labelled front pixels with the predicted front less than 500 m away, 0-1; those "
    "of an image without a predicted front are missed"
)
_PRECISION = (
    "Share of the predicted front pixels with the labelled front less than 500 m away, 0-1; those "
    "of an image without a labelled front are wrong"
)
FrontRecall = Annotated[float | None, Field(description=f"{_RECALL}.")]
FrontPrecision = Annotated[float | None, Field(description=f"{_PRECISION}.")]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


_P = TypeVar("_P", bound=_Part)


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
    test_glaciers: list[str] | None = None
    """Glaciers all of whose images are the test split by `caffe.test_glaciers`; null: the split is
    that of the tree."""
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


RecallSpread = Annotated[Spread, Field(description=f"{_RECALL}; over the runs.")]
PrecisionSpread = Annotated[Spread, Field(description=f"{_PRECISION}; over the runs.")]


class Segmentation(_Part):
    """Precision, recall, F1 and IoU per zone and on average, 0-1."""

    pooled: SegmentationTable
    """From the summed confusion matrix of all images."""
    image_mean_absent_zero: SegmentationTable
    """Mean over images; a class absent from an image counts 0 (the benchmark's rule)."""
    image_mean_absent_skipped: SegmentationTable
    """Mean over images; absent classes left out."""


class SubsetRun(_Part):
    """Scores of a subset in one run; null where there is nothing to average."""

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
    front_recall_500m: FrontRecall
    front_precision_500m: FrontPrecision
    iou_pooled: float | None
    """Mean class IoU of the summed confusion matrix, 0-1."""


class Run(_Part):
    """One trained network."""

    member: str | None
    """Member of the model, e.g. `seed0`; null for a scored folder."""
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
    front_recall_500m: FrontRecall
    front_precision_500m: FrontPrecision
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
    front_recall_500m: RecallSpread
    front_precision_500m: PrecisionSpread
    iou_pooled: Spread
    """Pooled IoU over the runs, 0-1."""
    runs: list[SubsetRun]
    """Scores per run, in the order of the runs."""


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
    front_recall_500m: FrontRecall
    front_precision_500m: FrontPrecision
    iou_pooled: float | None
    """Mean class IoU of the summed confusion matrix, 0-1."""
    iou_image_mean: float | None
    """Mean over images of the mean class IoU, absent classes counting 0; 0-1."""


class PretrainedCheckpoint(_Part):
    """One pretrained network."""

    sha256: str
    """SHA-256 of the checkpoint."""
    epochs: int = Field(ge=0)
    """Epochs of the pretraining up to these weights."""
    validation_loss: float | None
    """Mean absolute error of the pretext task on its validation pairs, 0-1."""


class Pretraining(_Part):
    """The pretraining behind the starting weights of a model."""

    task: Task
    """Pretext task."""
    checkpoints: list[PretrainedCheckpoint] = Field(min_length=1)
    """The pretrained networks; one that all runs share, or one per run."""
    started_from: str
    """What the pretraining itself started from, in words."""
    source: str
    """Origin of its pairs of images."""
    synthetic: bool
    """Whether they were rendered, not observed."""
    excluded_glaciers: list[str]
    """Glaciers of the dataset that were left out because they are in the test set."""
    left_out_images: list[str]
    """Other images of the dataset that were left out: by name, or as copies."""


class Row(_Part):
    """A row of the configuration, as its runs were trained."""

    name: str
    """Name of the row."""
    network: dict[str, Any]
    """Settings of the network."""
    parameters: int
    """Trained parameters of the network."""
    weights: Weights
    """Starting weights."""
    recipe: dict[str, Any]
    """Recipe of the training."""


class Model(Row):
    """A model: its row, and what its weights and its predictions have seen."""

    weights_sha256: list[str | None]
    """SHA-256 of the file with the starting weights of each run; null for random weights."""
    pretraining: Pretraining | None
    """The pretraining on a pretext task; null without one."""
    test_glaciers_seen: list[str]
    """Test glaciers whose images the starting weights have seen; not empty: the scores are not
    those of unseen glaciers."""
    series: dict[str, Any] | None = None
    """`prediction.series` of a temporal network, which saw each test image in a series of up to
    `frames` test images of its glacier, without their labels; null for other networks."""
    images_alone: int = 0
    """Test images for which a temporal network found no other of their series."""
    date_mean: dict[str, Any] | None = None
    """`prediction.date_mean`, by which the zones of each test image have a share of the mean over
    all (window past: all not later) test images of its glacier on its grid, without their labels;
    null: none."""


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
    front_recall_500m: FrontRecall
    front_precision_500m: FrontPrecision
    iou: ClassTable
    """IoU per zone and on average, 0-1; null for an absent class."""


class CaffeResult(_Part):
    """The result file."""

    schema_: Literal["ssl4sar.caffe-mde/2"] = Field(default="ssl4sar.caffe-mde/2", alias="schema")
    """Version of this shape."""
    dataset: Dataset
    """What was scored."""
    model: Model | None = None
    """What was trained; null for a scored folder."""
    images: int
    """Number of scored images."""
    runs: list[Run] = Field(min_length=1)
    """One entry per trained network."""
    mde_m: Spread
    """Mean distance error over the runs, metres: the headline."""
    front_recall_500m: RecallSpread
    front_precision_500m: PrecisionSpread
    iou_pooled: Spread
    """Pooled IoU over the runs, 0-1."""
    segmentation: Segmentation
    """Zone scores, mean over the runs."""
    subsets: dict[str, Subset]
    """Subsets of the benchmark that hold images, e.g. ``glacier=COL,season=winter``."""
    floor_m: float | None
    """Mean distance error of the true zones: what the labels themselves allow."""
    floor_no_front: int | None
    """Images in which the true zones have no front."""
    floor_front_recall_500m: float | None
    """Share of the labelled front that the true zones find within 500 m, 0-1."""
    floor_front_precision_500m: float | None
    """Share of the front of the true zones within 500 m of the labelled one, 0-1."""
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


class ComparedRun(_Part):
    """One trained network of a comparison."""

    member: str | None
    """Member of the model, e.g. `seed0`."""
    mde_m: float | None
    """Mean distance error: mean of the pooled distances, metres; null without any front."""
    front_recall_500m: FrontRecall
    front_precision_500m: FrontPrecision
    iou_pooled: float | None
    """Mean class IoU of the summed confusion matrix, 0-1."""
    no_front: int
    """Images without a front, left out of the distances."""


class ComparedModel(_Part):
    """A model with its runs."""

    model: Model
    """What was trained."""
    runs: list[ComparedRun] = Field(min_length=1)
    """One entry per member."""
    mde_m: Spread
    """Mean distance error over the runs, metres."""
    front_recall_500m: RecallSpread
    front_precision_500m: PrecisionSpread
    iou_pooled: Spread
    """Pooled IoU over the runs, 0-1."""

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name


class PairTests(_Part):
    """Whether an opponent is better than a baseline; null where a number does not exist."""

    baseline_runs: int
    """Runs of the baseline that have a value."""
    opponent_runs: int
    """Runs of the opponent that have a value."""
    mean_advantage: float | None
    """By how much the mean of the opponent is better; negative where it is worse."""
    effect_size: float | None
    """The same over the population standard deviation of the baseline."""
    effect_size_pooled: float | None
    """The same over the root of the mean of both population variances."""
    mann_whitney_u: float | None
    """Pairs of runs in which the opponent is better, a tie counting one half."""
    mann_whitney_p: float | None
    """One-sided p value of the Mann-Whitney U test that the opponent is better."""
    mann_whitney_method: Literal["exact", "asymptotic"] | None
    """How that p value was found."""
    mann_whitney_least_p: float | None
    """Smallest p value that so many runs can give."""
    levene_p: float | None
    """p value of Levene's test (around the medians) for equal variance."""
    levene_permutation_p: float | None
    """The same, by permutations."""


class PairedTest(_Part):
    """Whether one model is better than another in pairs that share all but the model."""

    pairs: int = Field(ge=0)
    """Pairs that were tested."""
    better: int = Field(ge=0)
    """Pairs in which the one is better."""
    mean_advantage: float | None
    """By how much it is better in the mean; negative where it is worse."""
    p: float | None
    """Two-sided p value of that mean among all signs of the differences; null without any."""
    method: Literal["exact", "drawn"] | None
    """Whether all signs were tried, or some were drawn."""
    least_p: float | None
    """Smallest p value that so many pairs can give."""


class ModelPair(_Part):
    """Two models."""

    baseline: str
    """The one that may be worse."""
    opponent: str
    """The one that may be better."""
    mde_m: PairTests
    """By the mean distance error: lower is better."""
    iou_pooled: PairTests
    """By the pooled IoU: higher is better."""


class BestTrivial(_Part):
    """The best prediction without learning, picked by the truth itself."""

    title: str
    """What was predicted."""
    value: float
    """Its score."""
    no_front: int
    """Images in which it has no front."""


def value_of(best: BestTrivial | None) -> float | None:
    """Return the score of the best prediction; None where there is none."""
    return None if best is None else best.value


class References(_Part):
    """What the numbers are to be measured by."""

    floor_m: float | None
    """Mean distance error of the true zones: what the labels themselves allow."""
    floor_no_front: int | None
    """Images in which the true zones have no front."""
    floor_front_recall_500m: float | None
    """Share of the labelled front that the true zones find within 500 m, 0-1."""
    floor_front_precision_500m: float | None
    """Share of the front of the true zones within 500 m of the labelled one, 0-1."""
    best_trivial_mde_m: BestTrivial | None
    """Lowest mean distance error, metres, of the trivial predictions that miss no more images than
    the true zones; of those that miss the fewest if all miss more."""
    best_trivial_front_recall_500m: BestTrivial | None
    """Largest share of the labelled front that a trivial prediction finds within 500 m, 0-1."""
    best_trivial_front_precision_500m: BestTrivial | None
    """Largest share of a trivial front within 500 m of the labelled one, 0-1, of the same
    predictions as the lowest mean distance error."""
    best_trivial_iou_pooled: BestTrivial | None
    """Highest pooled IoU of the trivial predictions, 0-1."""


class PublishedSystem(_Part):
    """A published system with its runs."""

    system: str
    """Name."""
    mde_runs_m: list[float]
    """Mean distance errors of the runs, metres."""
    mde_m: Spread
    """Their statistics."""


class PublishedPair(_Part):
    """Two published systems."""

    baseline: str
    """The one that may be worse."""
    opponent: str
    """The one that may be better."""
    mde_m: PairTests
    """By the mean distance error."""


class PublishedComparison(_Part):
    """The comparison of the original study, computed from its run values."""

    reproduced: Literal[False] = False
    """None of these runs was reproduced here."""
    source: str
    """Where the run values stand."""
    test_set: str
    """The images behind the numbers."""
    systems: list[PublishedSystem]
    """The systems."""
    pairs: list[PublishedPair]
    """Their comparisons."""


class Comparison(_Part):
    """The comparison file."""

    schema_: Literal["ssl4sar.pretraining-comparison/2"] = Field(
        default="ssl4sar.pretraining-comparison/2", alias="schema"
    )
    """Version of this shape."""
    dataset: Dataset
    """What was scored."""
    images: int
    """Number of scored images."""
    models: list[ComparedModel] = Field(min_length=1)
    """The models, in the order in which they are compared."""
    pairs: list[ModelPair]
    """Every model against every one after it."""
    references: References
    """Floor of the labels and best trivial predictions."""
    published: PublishedComparison
    """The original study."""
    text: list[str]
    """What may be concluded and what may not."""

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of builtins in the order of the file."""
        return self.model_dump(mode="json", by_alias=True)


def read_result(value: object, source: str = "result") -> CaffeResult:
    """Check the decoded content of a result file.

    Raises:
        UserError: an older version, or a missing, unknown or wrong entry, named with its place.
    """
    return _checked(CaffeResult, value, source)


def read_comparison(value: object, source: str = "comparison") -> Comparison:
    """Check the decoded content of a comparison file, as :func:`read_result` does."""
    return _checked(Comparison, value, source)


def _checked(kind: type[_P], value: object, source: str) -> _P:
    schema = value.get("schema") if isinstance(value, Mapping) else None
    current: str = kind.model_fields["schema_"].default
    if schema == f"{current.removesuffix('2')}1":
        raise UserError(
            source,
            f"it is of {schema}, from before a model was a row",
            "make it again with this version, or read it with the version that wrote it",
        )
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            source, f"{place}: {first['msg']}", "write it with the evaluation of this version"
        ) from error
