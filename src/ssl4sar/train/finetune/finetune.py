"""Fine-tuning from a training store to a checkpoint file, resumable at every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import NetworkSettings
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.seeding import derive_seed
from ssl4sar.dataset.store import Store
from ssl4sar.models.checkpoint import read_torch_file, save_network
from ssl4sar.models.network import ZoneNetwork
from ssl4sar.models.registry import build_network, load_weights
from ssl4sar.train.finetune.crops import CropDataset
from ssl4sar.train.finetune.finetune_module import FinetuneModule
from ssl4sar.train.finetune.validation import (
    StoreValidation,
    ValidationScore,
    validation_windows,
)
from ssl4sar.train.loop.fingerprint import deciding_keys
from ssl4sar.train.loop.module import Score
from ssl4sar.train.loop.run import Runtime, Trained, loader_of, opened, run
from ssl4sar.train.loop.sampling import SampleDrawer, SceneShape
from ssl4sar.train.operations.team import ALONE, Team


@dataclass(frozen=True)
class FinetuneResult:
    """What a finished training left.

    Attributes:
        checkpoint: the exported network.
        metrics: table with a row per epoch.
        epoch: epoch of the exported weights, from 1.
        validation: its scores; None where that epoch was not validated.
        starting_weights: where they came from, with the SHA-256 of the file.
        resumed_after_epoch: epochs that an earlier run had done; None: started from the beginning.
        parameters: number of trained parameters.
    """

    checkpoint: Path
    metrics: Path
    epoch: int
    validation: Score | None
    starting_weights: dict[str, Any]
    resumed_after_epoch: int | None
    parameters: int

    def record(self) -> dict[str, Any]:
        """Return the facts that equal trainings share.

        Whether a training was interrupted is a matter of its log: it ends with the same weights.
        """
        return {
            "epoch": self.epoch,
            "validation": None if self.validation is None else self.validation.as_dict(),
            "starting_weights": self.starting_weights,
            "parameters": self.parameters,
        }


def finetune(
    *,
    store_path: Path,
    settings: NetworkSettings,
    weights: StartingWeights,
    training_config: TrainingConfig,
    centre_px: int,
    sigma_px: float,
    compute_config: ComputeConfig,
    seed: int,
    source: str,
    checkpoint_path: Path,
    metrics_path: Path,
    resume_dir: Path,
    scratch: str = "",
    end_s: float | None = None,
    team: Team = ALONE,
) -> FinetuneResult:
    """Fine-tune a network and export the chosen weights.

    An earlier run resumes after its last epoch where configuration, data, seed and code are the
    same, otherwise the training starts again. ``compute_config`` may differ, and so may keys that
    change no step: with fewer epochs than are done, what is there is exported.

    Args:
        store_path: folder of the training store.
        settings: the network.
        weights: what it starts from.
        training_config: the recipe.
        centre_px: side of the centre of a validation window that is kept.
        sigma_px: standard deviation of the weights of validation windows that overlap, pixels.
        compute_config: device, threads, loader processes, of this process alone.
        seed: seed of the run.
        source: digest of the code that decides the outcome.
        checkpoint_path: file to export the network to.
        metrics_path: CSV file with a row per epoch.
        resume_dir: folder for the state of the running training and its TensorBoard log; not an
            output, so that the workflow does not delete it before a rerun. It may be removed
            when the training is done.
        scratch: folder on a disk of the node to copy the store to first; empty: none.
        end_s: when the job will be ended, seconds since 1970; None: never.
        team: place of this process among those that share the training. They all see the same
            files; the leader writes.

    Returns:
        What was exported.

    Raises:
        UserError: no training image, bad starting weights, no GPU, another process that trains in
            ``resume_dir``, a loss that is not finite, a full disk, a time limit that is near, or a
            signal to end.
    """
    runtime = Runtime(compute_config, resume_dir, scratch, end_s, team)
    with opened(runtime, store_path) as (device, store_folder):
        store = Store.open(store_folder)
        _check_scenes(store, store_path, training_config)
        network, starting_weights = _starting_network(settings, weights, seed)
        windows = validation_windows(training_config, centre_px, sigma_px)
        facts = {
            # Of the starting weights the content decides, not where the file is.
            "network": settings.model_dump(mode="json"),
            "starting_weights": starting_weights,
            "training": training_config.model_dump(mode="json"),
            "validation_windows": windows.model_dump(mode="json"),
            "seed": seed,
            "store_sha256": store.sha256,
            "source": source,
        }
        train = _numbers(store, "train")
        module = FinetuneModule(
            network,
            input_px=settings.input_px,
            config=training_config,
            seed=seed,
            validate=StoreValidation(store, _numbers(store, "val"), windows),
            images=[store.scenes[number].name for number in train],
        )
        crops = _crops(store, train, settings.input_px, training_config, seed)
        glaciers = frozenset(scene.glacier for scene in store.scenes)
        files = NetworkFile(settings, facts, glaciers)
        return run(
            module,
            loader_of(crops, training_config, runtime, device, "training"),
            runtime=runtime,
            device=device,
            facts={**facts, "training": deciding_keys(training_config)},
            metrics_path=metrics_path,
            score_type=ValidationScore,
            files=files,
            finish=lambda trained: _export(checkpoint_path, module, trained, files),
        )


def _check_scenes(store: Store, path: Path, config: TrainingConfig) -> None:
    if not _numbers(store, "train"):
        raise UserError(path, "the store has no training image", "build it from a full tree")
    if not _numbers(store, "val") and config.checkpoint != "last":
        raise UserError(
            path,
            f"there is no validation image to choose the {config.checkpoint} weights by",
            "raise caffe.validation_fraction or set training.checkpoint to last",
        )


def _starting_network(
    settings: NetworkSettings, weights: StartingWeights, seed: int
) -> tuple[ZoneNetwork, dict[str, Any]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initial weights"))
        network = build_network(settings)
    return network, load_weights(network, settings, weights).facts()


def _numbers(store: Store, split: str) -> tuple[int, ...]:
    return tuple(i for i, scene in enumerate(store.scenes) if scene.split == split)


def _crops(
    store: Store,
    numbers: tuple[int, ...],
    input_px: int,
    config: TrainingConfig,
    seed: int,
) -> CropDataset:
    drawer = SampleDrawer(
        [
            SceneShape(scene.glacier, scene.height, scene.width)
            for scene in (store.scenes[number] for number in numbers)
        ],
        input_px=input_px,
        target_px=config.target_px,
        augmentation=config.augmentation,
        sampling=config.sampling,
        samples_per_epoch=config.samples_per_epoch,
        seed=seed,
    )
    return CropDataset(store, numbers, drawer)


@dataclass(frozen=True)
class NetworkFile:
    """How the network of a fine-tuning is written to files.

    Attributes:
        settings: the network.
        facts: JSON values by name: what decides the fine-tuning.
        glaciers: glaciers that it is trained and validated on.
    """

    settings: NetworkSettings
    facts: Mapping[str, Any]
    glaciers: frozenset[str]

    def save(self, path: Path, network: ZoneNetwork, outcome: Mapping[str, Any]) -> None:
        """Write a network."""
        # Whoever starts from this file can see whether it has seen its test glaciers.
        seen = sorted(self.glaciers | {*self.facts["starting_weights"]["glaciers"]})
        save_network(path, network, self.settings, {**self.facts, **outcome, "glaciers": seen})

    def load(self, path: Path, network: ZoneNetwork) -> None:
        """Read such a file into a network."""
        network.load_state_dict(read_torch_file(path)["state"])


def _export(
    path: Path, module: FinetuneModule, trained: Trained, files: NetworkFile
) -> FinetuneResult:
    """Write what the training is for, as its leader; return what it is."""
    state = trained.state
    result = FinetuneResult(
        checkpoint=path,
        metrics=state.metrics_path,
        epoch=trained.epoch,
        validation=trained.validation,
        starting_weights=files.facts["starting_weights"],
        resumed_after_epoch=trained.resumed_after_epoch,
        parameters=sum(p.numel() for p in module.network.parameters() if p.requires_grad),
    )
    if module.global_rank == 0:
        files.save(path, module.network, {**result.record(), "fingerprint": state.fingerprint})
    return result
