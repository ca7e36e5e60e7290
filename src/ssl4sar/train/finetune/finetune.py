"""Fine-tuning from a training store to a checkpoint file, resumable at every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import NetworkSettings
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.seeding import derive_seed
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.dataset.series import series_scenes
from ssl4sar.dataset.store import Store
from ssl4sar.models.network import ZoneNetwork
from ssl4sar.models.registry import build_network, load_weights
from ssl4sar.train.finetune.crops import CropBatch, CropDataset, FrontPixels
from ssl4sar.train.finetune.finetune_module import FinetuneModule, outputs_of
from ssl4sar.train.finetune.series import SeriesCropDataset, SeriesDrawer
from ssl4sar.train.finetune.validation import (
    StoreValidation,
    ValidationScore,
    validation_windows,
)
from ssl4sar.train.loop.checkpointing import NetworkFile
from ssl4sar.train.loop.fingerprint import deciding_keys
from ssl4sar.train.loop.run import Trained, TrainingResult, opened, run
from ssl4sar.train.loop.sampling import SampleDrawer, SceneShape
from ssl4sar.train.operations.request import TrainingRequest
from ssl4sar.train.operations.team import ALONE, Team


class FinetuneRequest(TrainingRequest):
    """What a fine-tuning is asked to do."""

    recipe: TrainingConfig
    """The recipe."""
    centre_px: int
    """Side of the centre of a validation window that counts, pixels."""
    sigma_px: float
    """Standard deviation of the weights of validation windows that overlap, pixels."""


def finetune(request: FinetuneRequest, team: Team = ALONE) -> TrainingResult:
    """Fine-tune a network and export the chosen weights.

    An earlier run resumes after its last epoch where configuration, data, seed and code are the
    same, otherwise the training starts again. ``compute`` may differ, and so may keys that change
    no step: with fewer epochs than are done, what is there is exported.

    Args:
        request: what to train, and where.
        team: place of this process among those that share the training.

    Raises:
        UserError: no training image, bad starting weights, no GPU, another process that trains in
            the resume folder, a loss that is not finite, a full disk, a time limit that is near,
            or a signal to end.
    """
    settings, recipe, seed = request.network, request.recipe, request.seed
    with opened(request, team) as (device, store_folder):
        store = Store.open(store_folder)
        _check_scenes(store, request.store, recipe)
        network, starting_weights = _starting_network(
            settings, request.weights, seed, outputs_of(recipe)
        )
        windows = validation_windows(recipe, request.centre_px, request.sigma_px)
        facts = {
            # Of the starting weights the content decides, not where the file is.
            "network": settings.model_dump(mode="json"),
            "starting_weights": starting_weights,
            "training": recipe.model_dump(mode="json"),
            "validation_windows": windows.model_dump(mode="json"),
            "seed": seed,
            "store_sha256": store.sha256,
            "source": request.source,
        }
        train = _numbers(store, "train")
        module = FinetuneModule(
            network,
            input_px=settings.input_px,
            config=recipe,
            seed=seed,
            validate=StoreValidation(store, _numbers(store, "val"), windows),
            images=[store.scenes[number].name for number in train],
        )
        file = NetworkFile(settings, facts, {scene.glacier for scene in store.scenes})
        return run(
            module,
            _crops(store, train, request),
            request,
            team,
            device,
            facts={**facts, "training": deciding_keys(recipe)},
            score_type=ValidationScore,
            file=file,
            export=lambda trained: _export(request.checkpoint, module, trained, file),
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
    settings: NetworkSettings, weights: StartingWeights, seed: int, outputs: int = CLASS_COUNT
) -> tuple[ZoneNetwork, dict[str, Any]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initial weights"))
        network = build_network(settings, outputs)
    return network, load_weights(network, settings, weights).facts()


def _numbers(store: Store, split: str) -> tuple[int, ...]:
    return tuple(i for i, scene in enumerate(store.scenes) if scene.split == split)


def _crops(store: Store, numbers: tuple[int, ...], request: FinetuneRequest) -> Dataset[CropBatch]:
    settings, config = request.network, request.recipe
    scenes = [store.scenes[number] for number in numbers]
    drawer = SampleDrawer(
        [SceneShape(scene.glacier, scene.height, scene.width) for scene in scenes],
        input_px=settings.input_px,
        target_px=config.target_px,
        augmentation=config.augmentation,
        sampling=config.sampling,
        samples_per_epoch=config.samples_per_epoch,
        seed=request.seed,
        front_crop_probability=config.front_crop_probability,
        front_pixels=FrontPixels(store, numbers),
    )
    crops = CropDataset(store, numbers, drawer, with_fronts=config.front_loss_weight > 0)
    if not settings.is_temporal:
        return crops
    series = SeriesDrawer(drawer, series_scenes(store, numbers), config.series)
    return SeriesCropDataset(crops, series)


def _export(
    path: Path, module: FinetuneModule, trained: Trained, file: NetworkFile
) -> dict[str, Any]:
    """Write the network as the leader; return the record of the training."""
    record = {
        "epoch": trained.epoch,
        "validation": trained.validation,
        "starting_weights": file.facts["starting_weights"],
        "parameters": sum(p.numel() for p in module.network.parameters() if p.requires_grad),
    }
    if module.global_rank == 0:
        outcome = {**record, "fingerprint": trained.state.fingerprint}
        file.save(path, module.network, outcome)
    return record
