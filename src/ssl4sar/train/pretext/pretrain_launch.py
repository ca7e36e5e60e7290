"""Pretraining as the workflow asks for it: launched, and recorded beside its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import Task, starting_weights
from ssl4sar.config.networks import WeightsKind, network_settings
from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.train.operations.launch import launch
from ssl4sar.train.pretext.pretrain_process import pretrain_from_request


@dataclass(frozen=True)
class PretrainFiles:
    """Files of a pretraining.

    Attributes:
        store: folder of the store of pairs.
        manifest: manifest of the dataset.
        checkpoint: network to write.
        metrics: table to write.
        pictures: arrays to write.
        record: facts to write.
        resume: folder for the state of the running training.
    """

    store: Path
    manifest: Path
    checkpoint: Path
    metrics: Path
    pictures: Path
    record: Path
    resume: Path


def pretrain_and_record(
    task: Task,
    files: PretrainFiles,
    network: Mapping[str, Any],
    weights: WeightsKind,
    weights_files: Sequence[str],
    recipe: Mapping[str, Any],
    compute: ComputeConfig,
    seed: int,
    source: str,
    scratch: str,
    end_s: float | None,
) -> None:
    """Pretrain, and write the checkpoint, the table of epochs, the pictures and their record.

    Args:
        task: the pretext task.
        files: what to read and write.
        network: settings of the network.
        weights: what it starts from.
        weights_files: file with those weights; empty for random ones.
        recipe: block of the recipe.
        compute: device, processes, threads.
        seed: seed of the run.
        source: digest of the code that decides the outcome.
        scratch: folder on a disk of the node; empty: none.
        end_s: when the job will be ended, seconds since 1970; None: never.

    Raises:
        UserError: see ``pretrain``.
    """
    manifest = PairManifest.read(files.manifest)
    settings, start = starting_weights(network_settings(network), weights, weights_files)
    request = {
        "task": task,
        "store": str(files.store),
        "checkpoint": str(files.checkpoint),
        "metrics": str(files.metrics),
        "pictures": str(files.pictures),
        "resume": str(files.resume),
        "network": settings.model_dump(mode="json"),
        "weights": start.model_dump(mode="json"),
        "recipe": dict(recipe),
        "compute": compute.model_dump(mode="json"),
        "seed": seed,
        "source": source,
        "scratch": scratch,
        "end_s": end_s,
    }
    facts = launch(pretrain_from_request, request, compute, files.resume)
    own = {"seed": seed, **facts, "sha256": sha256_file(files.checkpoint)}
    write_json(files.record, {**own, "dataset": manifest.facts()})
