"""Fine-tuning as the workflow asks for it: launched, and recorded beside its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import starting_weights
from ssl4sar.config.networks import network_settings
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.train.finetune.finetune_process import finetune_from_request
from ssl4sar.train.operations.launch import launch

#: Shape of the record beside the checkpoint.
SCHEMA: Final = "ssl4sar.trained-model/2"


@dataclass(frozen=True)
class FinetuneFiles:
    """Files of a fine-tuning.

    Attributes:
        store: folder of the training store.
        pretrained: record of the pretraining that made the starting weights; None: none did.
        checkpoint: network to write.
        metrics: table to write.
        record: facts to write.
        resume: folder for the state of the running training.
    """

    store: Path
    pretrained: Path | None
    checkpoint: Path
    metrics: Path
    record: Path
    resume: Path


def finetune_and_record(
    files: FinetuneFiles,
    model: str,
    row: Mapping[str, Any],
    windows: Mapping[str, Any],
    weights_files: Sequence[str],
    compute: ComputeConfig,
    seed: int,
    source: str,
    scratch: str,
    end_s: float | None,
) -> None:
    """Fine-tune, and write the checkpoint, the table of epochs and the record of both.

    Args:
        files: what to read and write.
        model: name of the model.
        row: its ``network``, ``weights`` and whole ``recipe``.
        windows: ``prediction.centre_px`` and ``prediction.sigma_px``, for the validation.
        weights_files: file with its starting weights; empty for random ones.
        compute: device, processes, threads.
        seed: seed of the run.
        source: digest of the code that decides the outcome.
        scratch: folder on a disk of the node; empty: none.
        end_s: when the job will be ended, seconds since 1970; None: never.

    Raises:
        UserError: see ``finetune``; or the record of the pretraining is damaged or not that of
            the starting weights.
    """
    settings, start = starting_weights(
        network_settings(row["network"]), row["weights"], weights_files
    )
    pretraining = None
    if files.pretrained is not None:
        pretraining = _pretraining(files.pretrained, weights_files[0])
    request = {
        **windows,
        "network": settings.model_dump(mode="json"),
        "weights": start.model_dump(mode="json"),
        "training": row["recipe"],
        "store": str(files.store),
        "checkpoint": str(files.checkpoint),
        "metrics": str(files.metrics),
        "resume": str(files.resume),
        "compute": compute.model_dump(mode="json"),
        "seed": seed,
        "source": source,
        "scratch": scratch,
        "end_s": end_s,
    }
    facts = launch(finetune_from_request, request, compute, files.resume)
    own = {"schema": SCHEMA, "model": model, **row, "seed": seed, **facts}
    sha256 = sha256_file(files.checkpoint)
    write_json(files.record, {**own, "sha256": sha256, "pretraining": pretraining})


def _pretraining(path: Path, weights: str) -> dict[str, Any]:
    """Return the record of a pretraining; refuse that of other weights before the training."""
    again = "rerun the pretraining"
    try:
        record = read_json(path)
        recorded = record["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"the record of the pretraining cannot be read ({error})"
        raise UserError(path, problem, again) from error
    # A file that is not there is reported when the weights are loaded.
    if Path(weights).is_file() and recorded != sha256_file(weights):
        raise UserError(path, f"the record is not that of {weights}", again)
    return dict(record)
