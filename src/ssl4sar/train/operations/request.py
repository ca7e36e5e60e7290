"""What a training is asked to do: one value for the workflow and for each of its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights, starting_weights
from ssl4sar.config.networks import Network, network_settings


class TrainingRequest(BaseModel):
    """What all trainings are asked; where they run changes the outcome by rounding at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Path
    """Folder of the training store."""
    network: Network
    """The network."""
    weights: StartingWeights
    """What it starts from."""
    seed: int
    """Seed of the run."""
    source: str
    """Digest of the code that decides the outcome."""
    checkpoint: Path
    """File to export the network to."""
    metrics: Path
    """CSV file with a row per epoch."""
    resume: Path
    """Folder for the state of the running training and its TensorBoard log; not an output, so that
    the workflow does not delete it before a rerun. It may be removed when the training is done."""
    compute: ComputeConfig
    """Devices, processes, and threads and loader processes of each."""
    scratch: str = ""
    """Folder on a disk of the node to copy the store to first; empty: none."""
    end_s: float | None = None
    """When the job will be ended, seconds since 1970; None: never."""

    @classmethod
    def starting_from(
        cls, network: Mapping[str, Any], weights: str, files: Sequence[str], **values: Any
    ) -> Self:
        """Return a request by the values of a row of models.

        Args:
            network: settings of the network, with its name.
            weights: its starting weights.
            files: file with them; empty for random ones.
            values: the other fields.
        """
        settings, start = starting_weights(network_settings(network), weights, files)
        return cls(network=settings, weights=start, **values)
