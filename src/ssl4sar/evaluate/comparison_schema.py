"""Shape of the comparison of starting points: every key, its type and its meaning.

Numbers are finite or null; unknown keys are refused. What is known of a pretraining stands here,
too, because both the result and the comparison read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssl4sar.config.pretraining import Task, Variant
from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.result_schema import Dataset, Spread

RANDOM_WEIGHTS: Final = "random weights"
SCHEMA: Literal["ssl4sar.pretraining-comparison/1"] = "ssl4sar.pretraining-comparison/1"


@dataclass(frozen=True)
class PretrainingFacts:
    """What is known of the pretraining behind a starting point.

    Attributes:
        task: pretext task.
        checkpoints: the pretrained networks, each once.
        started_by: SHA-256 of the pretrained checkpoint by seed of the fine-tuning.
        started_from: what the pretraining itself started from, in words.
        synthetic: whether its pairs of images were rendered.
        excluded_glaciers: glaciers of the dataset that were left out of it.
        left_out_images: other images of the dataset that were left out of it.
        saw_test_glaciers: whether it used images of test glaciers.
    """

    task: Task
    checkpoints: Sequence[PretrainedFacts]
    started_by: Mapping[int, str]
    started_from: str = RANDOM_WEIGHTS
    synthetic: bool = False
    excluded_glaciers: Sequence[str] = ()
    left_out_images: Sequence[str] = ()
    saw_test_glaciers: bool = False


@dataclass(frozen=True)
class PretrainedFacts:
    """A pretrained network.

    Attributes:
        sha256: hash of its checkpoint.
        epochs: epochs of the pretraining up to these weights.
        validation_loss: mean absolute error of the pretext task on validation pairs, 0-1.
    """

    sha256: str
    epochs: int
    validation_loss: float | None


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class VariantRun(_Part):
    """One fine-tuned network."""

    seed: int | None
    """Seed of the fine-tuning."""
    mde_m: float | None
    """Mean distance error: mean of the pooled distances, metres; null without any front."""
    iou_pooled: float | None
    """Mean class IoU of the summed confusion matrix, 0-1."""
    no_front: int
    """Images without a front, left out of the distances."""
    pretraining_sha256: str | None
    """SHA-256 of the pretraining checkpoint that it started from; null without pretraining."""


class PretrainedCheckpoint(_Part):
    """One pretrained network."""

    sha256: str
    """SHA-256 of the checkpoint."""
    epochs: int = Field(ge=0)
    """Epochs of the pretraining up to these weights."""
    validation_loss: float | None
    """Mean absolute error of the pretext task on its validation pairs, 0-1."""


class Pretraining(_Part):
    """The pretraining behind a starting point."""

    task: Task
    """Pretext task."""
    checkpoints: list[PretrainedCheckpoint] = Field(min_length=1)
    """The pretrained networks; one that all runs share, or one per run."""
    started_from: str
    """What the pretraining itself started from, in words."""
    synthetic: bool
    """Whether the pairs of images were rendered, not observed."""
    excluded_glaciers: list[str]
    """Glaciers of the dataset that were left out because they are in the test set."""
    left_out_images: list[str]
    """Other images of the dataset that were left out: by name, or as copies."""
    saw_test_glaciers: bool
    """Whether images of test glaciers were used: then the scores are not of unseen glaciers."""


class StartingPoint(_Part):
    """The runs from one starting point."""

    runs: list[VariantRun] = Field(min_length=1)
    """One entry per fine-tuning."""
    mde_m: Spread
    """Mean distance error over the runs, metres."""
    iou_pooled: Spread
    """Pooled IoU over the runs, 0-1."""
    pretraining: Pretraining | None
    """The pretraining; null for random and for ImageNet weights."""


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


class VariantPair(_Part):
    """Two starting points."""

    baseline: Variant
    """The one that may be worse."""
    opponent: Variant
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


class References(_Part):
    """What the numbers are to be measured by."""

    floor_m: float | None
    """Mean distance error of the true zones: what the labels themselves allow."""
    best_trivial_mde_m: BestTrivial | None
    """Lowest mean distance error of the trivial predictions, metres."""
    best_trivial_iou_pooled: BestTrivial | None
    """Highest pooled IoU of the trivial predictions, 0-1."""

    @property
    def trivial_mde_m(self) -> float | None:
        """Mean distance error of the best trivial prediction, metres."""
        return None if self.best_trivial_mde_m is None else self.best_trivial_mde_m.value

    @property
    def trivial_iou_pooled(self) -> float | None:
        """Pooled IoU of the best trivial prediction, 0-1."""
        return None if self.best_trivial_iou_pooled is None else self.best_trivial_iou_pooled.value


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


class PretrainingComparison(_Part):
    """The comparison file."""

    schema_: Literal["ssl4sar.pretraining-comparison/1"] = Field(default=SCHEMA, alias="schema")
    """Version of this shape."""
    dataset: Dataset
    """What was scored."""
    images: int
    """Number of scored images."""
    variants: dict[Variant, StartingPoint] = Field(min_length=1)
    """Starting points by name."""
    skipped: dict[Variant, str]
    """Starting points that were asked for and left out, with the reason."""
    pairs: list[VariantPair]
    """Every starting point against every one named after it."""
    references: References
    """Floor of the labels and best trivial predictions."""
    published: PublishedComparison
    """The original study."""
    text: list[str]
    """What may be concluded and what may not."""

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of builtins in the order of the file."""
        return self.model_dump(mode="json", by_alias=True)


def validate_comparison(value: object, source: str = "comparison") -> PretrainingComparison:
    """Check a decoded comparison file.

    Args:
        value: what ``json.load`` gave.
        source: file named in the error.

    Returns:
        The comparison as typed object.

    Raises:
        UserError: a missing, unknown or wrong entry, named with its place.
    """
    try:
        return PretrainingComparison.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            source, f"{place}: {first['msg']}", "write it with the evaluation of this version"
        ) from error
