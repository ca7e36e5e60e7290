"""A model is a row: its network, its starting weights, its recipe, its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block
from ssl4sar.config.networks import Network, NetworkSettings, TyrionConfig, WeightsKind

Task = Literal["optsimmim", "opttranslator"]
TASKS: Final[tuple[Task, ...]] = ("optsimmim", "opttranslator")
Weights = Literal["none", "imagenet", "checkpoint", "optsimmim", "opttranslator"]
#: A name that is part of paths.
NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,39}$"
_SEED: Final = "seed"


class StartingWeights(Block):
    """What a training starts from."""

    kind: WeightsKind = "none"
    """none: random weights; imagenet: those of an ImageNet classifier; checkpoint: a network."""
    file: str | None = None
    """File with them."""


class _FileBlock(Block):
    """A block with weights that may come from a file."""

    weights: Weights = "none"
    weights_file: str | None = None

    @model_validator(mode="after")
    def _file_fits(self) -> Self:
        if self.weights == "checkpoint" and not self.weights_file:
            raise ValueError("weights_file is missing: weights checkpoint need a file")
        if self.weights_file and self.weights not in {"imagenet", "checkpoint"}:
            raise ValueError(f"weights_file has no meaning with weights {self.weights}")
        return self


class ModelRow(_FileBlock):
    """One model: what is trained, from what, how, and how often."""

    network: Network = TyrionConfig()
    """The network: `name` and its settings, see below."""
    weights: Weights = "none"
    """Starting weights. none: random; imagenet: an ImageNet classifier, fetched once; checkpoint:
    your `weights_file`; optsimmim, opttranslator: pretrained by this workflow."""
    weights_file: str | None = None
    """File with the weights: the checkpoint, or ImageNet weights in place of `weights.url` (in the
    layout of timm or of Microsoft's release)."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Keys of `training` that are different for this model."""
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Seeds of its trainings; null: the `seeds` of the study."""

    @model_validator(mode="after")
    def _network_can(self) -> Self:
        name = self.network.name
        if self.weights in TASKS:
            if not self.network.can_pretrain:
                raise ValueError(f"weights: the pretext task {self.weights} cannot train {name}")
        elif self.weights != "none" and self.weights not in self.network.starts_from:
            raise ValueError(
                f"weights: {name} cannot start from {self.weights} weights, only from "
                f"{', '.join(['none', *sorted(self.network.starts_from)])}"
            )
        return self


class PretrainingConfig(_FileBlock):
    """The pretraining behind models whose weights are optsimmim or opttranslator."""

    weights: WeightsKind = "none"
    """What the pretraining itself starts from; the published one started from imagenet."""
    weights_file: str | None = None
    """File with those weights, as for a model."""
    seed: int = Field(default=0, ge=0)
    """Seed of the pretraining that all trainings share."""
    own_seeds: bool = False
    """Pretrain once for each seed of the model instead of sharing one pretraining."""


def starting_weights(
    network: NetworkSettings, weights: str, files: Sequence[str]
) -> tuple[NetworkSettings, StartingWeights]:
    """Return the settings of a network and the weights that a training starts it from.

    Args:
        network: settings of the network.
        weights: starting weights of a model or of a pretraining.
        files: files with them that the job was given as inputs: one, or none for random weights.
    """
    if weights == "none":
        return network, StartingWeights()
    kind: WeightsKind = "imagenet" if weights == "imagenet" else "checkpoint"
    return network.beside_weights(), StartingWeights(kind=kind, file=files[0])


def merged(recipe: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with some keys changed, blocks within it key by key."""
    both = dict(recipe)
    for key, value in changes.items():
        within = both.get(key)
        both[key] = (
            merged(within, value)
            if isinstance(within, Mapping) and isinstance(value, Mapping)
            else value
        )
    return both


def member_of(seed: int) -> str:
    """Return the name of the member that was trained with a seed, e.g. ``seed0``."""
    return f"{_SEED}{seed}"


def seed_of(member: str) -> int:
    """Return the seed of a member that was trained, e.g. 0 of ``seed0``."""
    return int(member.removeprefix(_SEED))
