"""Which starting points of the fine-tuning are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block

Task = Literal["optsimmim", "opttranslator"]
Variant = Literal["none", "imagenet", "checkpoint", "optsimmim", "opttranslator"]
TASKS: Final[tuple[Task, ...]] = ("optsimmim", "opttranslator")
VARIANTS: Final[tuple[Variant, ...]] = ("none", "imagenet", "checkpoint", *TASKS)
_PUBLISHED: Final[tuple[Variant, ...]] = ("none", "imagenet", *TASKS)

#: Values of ``model.weights`` behind starting points that need them.
WITH_WEIGHTS: Final[Mapping[Variant, frozenset[str]]] = {
    "imagenet": frozenset({"timm", "microsoft"}),
    "checkpoint": frozenset({"tyrion"}),
}


def can_start(variant: Variant, weights: str) -> bool:
    """Return whether a starting point is there with ``model.weights``."""
    return weights in WITH_WEIGHTS.get(variant, {weights})


class PretrainingConfig(Block):
    """Starting points of the fine-tuning."""

    variant: Variant = "opttranslator"
    """Starting point behind results/caffe_mde.json. none: random weights; imagenet: those of
    `model.weights` timm or microsoft; checkpoint: a Tyrion of your own (`model.weights` tyrion);
    optsimmim, opttranslator: weights of that pretext task."""
    compare: tuple[Variant, ...] = Field(default=_PUBLISHED, min_length=1)
    """Starting points in results/pretraining_comparison.json; imagenet and checkpoint
    are skipped where `model.weights` does not give them."""
    seed: int = Field(default=0, ge=0)
    """Seed of the pretraining that all fine-tunings share."""
    own_seeds: bool = False
    """Pretrain anew for each of `seeds` instead of sharing one pretraining."""
    from_starting_weights: bool = True
    """Start the pretraining from `model.weights`, as published; false: from random weights."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.compare)) != len(self.compare):
            raise ValueError("compare: name every starting point once")
        return self


def starting_model(
    model: Mapping[str, Any], variant: Variant, weights_files: Sequence[str]
) -> dict[str, Any]:
    """Return the block of the network with the starting weights of a variant.

    Args:
        model: the block ``model`` of the configuration.
        variant: starting point.
        weights_files: files with its weights that the job was given as inputs: one or none.
    """
    if variant == "none":
        return {**model, "weights": "none", "weights_file": None}
    # The gains come with the file: the switch for random weights must not tell two such apart.
    given = {**model, "weights_file": weights_files[0], "legacy_post_norm_ones": False}
    return given if variant in WITH_WEIGHTS else {**given, "weights": "tyrion"}
