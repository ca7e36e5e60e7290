"""Pretraining from a store of pairs to a checkpoint file, resumable at every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import SerializeAsAny, ValidationInfo, field_validator

from ssl4sar.config.models import StartingWeights, Task
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig, PretextConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import PairSplit
from ssl4sar.core.progress import log
from ssl4sar.core.seeding import derive_seed
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.models.optsimmim import OptSimMIM
from ssl4sar.models.opttranslator import OptTranslator
from ssl4sar.models.pretext import PretextNetwork
from ssl4sar.models.registry import load_weights
from ssl4sar.train.loop.checkpointing import NetworkFile
from ssl4sar.train.loop.fingerprint import deciding_keys
from ssl4sar.train.loop.run import Trained, TrainingResult, opened, run
from ssl4sar.train.operations.request import TrainingRequest
from ssl4sar.train.operations.resume_folder import PICTURES
from ssl4sar.train.operations.team import ALONE, Team
from ssl4sar.train.pretext.pair_crops import PairDataset
from ssl4sar.train.pretext.pair_sampling import PairSampleDrawer
from ssl4sar.train.pretext.pair_tiles import PairTiles
from ssl4sar.train.pretext.pretrain_module import PretextScore, PretrainModule
from ssl4sar.train.pretext.pretrain_pictures import PretextPictures


class PretrainRequest(TrainingRequest):
    """What a pretraining is asked to do."""

    task: Task
    """The pretext task."""
    network: TyrionConfig
    """The network."""
    recipe: SerializeAsAny[PretextConfig]
    """The recipe of the task."""
    pictures: Path
    """npz file with the pictures of all drawn epochs."""

    @field_validator("recipe", mode="before")
    @classmethod
    def _of_task(cls, recipe: Any, info: ValidationInfo) -> Any:
        return recipe_of(info.data["task"], recipe) if isinstance(recipe, Mapping) else recipe


def recipe_of(task: Task, values: Mapping[str, Any]) -> PretextConfig:
    """Return the typed recipe of a task."""
    model = OptSimMIMConfig if task == "optsimmim" else OptTranslatorConfig
    return model.model_validate(values)


def pretrain(request: PretrainRequest, team: Team = ALONE) -> TrainingResult:
    """Pretrain a network on a pretext task and export the chosen weights.

    An earlier run resumes after its last epoch where configuration, data, seed and code are the
    same, otherwise the training starts again. Keys that change no step do not count: with fewer
    epochs than are done, what is there is exported.

    Args:
        request: what to train, and where.
        team: place of this process among those that share the training.

    Raises:
        UserError: no image to train or validate on, bad starting weights, no GPU, another process
            that trains in the resume folder, a loss that is not finite, a full disk, a time limit
            that is near, or a signal to end.
    """
    task, settings, recipe, seed = request.task, request.network, request.recipe, request.seed
    with opened(request, team) as (device, store_folder):
        store = PairStore.open(store_folder)
        train = _numbers(store, "train", request.store, recipe)
        val = _numbers(store, "val", request.store, recipe)
        network, starting_weights = _starting_network(task, settings, request.weights, seed)
        facts = {
            "task": task,
            # Of the starting weights the content decides, not where the file is.
            "network": settings.model_dump(mode="json"),
            "starting_weights": starting_weights,
            "recipe": recipe.model_dump(mode="json"),
            "seed": seed,
            "store_sha256": store.sha256,
            "source": request.source,
        }
        workers = request.compute.loader_workers
        tiles = PairTiles(store, val, settings.input_px, recipe, seed, workers)
        pictures = PretextPictures(
            tiles, recipe.panels, request.resume / PICTURES, synthetic=store.synthetic
        )
        module = PretrainModule(
            network,
            input_px=settings.input_px,
            config=recipe,
            seed=seed,
            block=task,
            validate=tiles.validate,
            pictures=pictures if team.leads else None,
        )
        drawer = PairSampleDrawer(
            [(store.scenes[n].height, store.scenes[n].width) for n in train],
            input_px=settings.input_px,
            config=recipe,
            seed=seed,
        )
        file = NetworkFile(settings, facts, store.glaciers, inner="network")
        return run(
            module,
            PairDataset(store, train, drawer),
            request,
            team,
            device,
            facts={**facts, "recipe": deciding_keys(recipe)},
            score_type=PretextScore,
            file=file,
            export=lambda trained: _export(request, module, trained, file, pictures),
        )


def _numbers(
    store: PairStore, split: PairSplit, path: Path, recipe: PretextConfig
) -> tuple[int, ...]:
    """Return the images of a split; refuse at once, not after an epoch, those of no use."""
    numbers = store.numbers(split)
    kind = {"train": "training", "val": "validation"}[split]
    if not numbers:
        raise UserError(path, f"the store has no {kind} image", "build it from a full dataset")
    glaciers = {store.scenes[number].glacier for number in numbers}
    if recipe.ignore_no_data and not any(store.glaciers[g].valid_fraction for g in glaciers):
        raise UserError(
            path,
            f"no optical image of a {kind} glacier ({', '.join(sorted(glaciers))}) has a pixel "
            "with data in all channels",
            "give one that has, or set ignore_no_data: false in the recipe of the task",
        )
    return numbers


def _starting_network(
    task: Task, settings: TyrionConfig, weights: StartingWeights, seed: int
) -> tuple[PretextNetwork, dict[str, Any]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initial weights", task))
        network = OptSimMIM(settings) if task == "optsimmim" else OptTranslator(settings)
    return network, load_weights(network.network, settings, weights).facts()


def _export(
    request: PretrainRequest,
    module: PretrainModule,
    trained: Trained,
    file: NetworkFile,
    pictures: PretextPictures,
) -> dict[str, Any]:
    """Write network and pictures as the leader; return the record of the pretraining."""
    epochs = [record.epoch for record in trained.state.records]
    record = {
        "task": request.task,
        "epoch": trained.epoch,
        "epochs": len(epochs),
        "validation": trained.validation,
        "parameters": sum(p.numel() for p in module.network.parameters() if p.requires_grad),
        "starting_weights": file.facts["starting_weights"],
    }
    if module.global_rank == 0:
        if not pictures.drawn(epochs):  # gone, or another number is wanted and no epoch followed
            log(f"there are no such pictures of the training: drawing epoch {trained.epoch} alone")
            pictures.draw(module.network.eval(), module.device, trained.epoch)
        pictures.gather(request.pictures, epochs)
        outcome = {**record, "fingerprint": trained.state.fingerprint}
        file.save(request.checkpoint, module.network, outcome)
    return record
