"""What is known of the weights that a training starts from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ssl4sar.config.networks import WeightsKind


@dataclass(frozen=True)
class WeightsReport:
    """What was loaded.

    Attributes:
        source: none, imagenet or checkpoint.
        file: file, or None.
        sha256: SHA-256 of the file, or None.
        tensors: number of tensors taken over.
        head: whether the head was among them.
        glaciers: glaciers that a checkpoint of this package was trained on, as far as it says.
        unfinished_after_epoch: epoch, from 1, after which the weights were taken out of a training
            that had not ended; None: it had, or the file does not say.
    """

    source: WeightsKind
    file: str | None
    sha256: str | None
    tensors: int
    head: bool
    glaciers: tuple[str, ...] = ()
    unfinished_after_epoch: int | None = None

    def facts(self) -> dict[str, Any]:
        """Return what decides, as JSON values: the content of the file, not where it is."""
        facts = asdict(self)
        facts.pop("file")
        if self.unfinished_after_epoch is None:
            facts.pop("unfinished_after_epoch")
        return {**facts, "glaciers": list(self.glaciers)}


def random_weights() -> WeightsReport:
    """Return the report of a network that keeps its random weights."""
    return WeightsReport("none", None, None, 0, False)
