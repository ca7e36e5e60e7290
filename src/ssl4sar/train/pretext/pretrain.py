"""Pretraining from a store of pairs to a checkpoint file, resumable at every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from ssl4sar.config.models import StartingWeights, Task
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig, PretextConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import PairSplit
from ssl4sar.core.progress import tell
from ssl4sar.core.seeding import derive_seed
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.models.checkpoint import read_torch_file, save_network
from ssl4sar.models.optsimmim import OptSimMIM
from ssl4sar.models.opttranslator import OptTranslator
from ssl4sar.models.pretext import PretextNetwork
from ssl4sar.models.registry import load_weights
from ssl4sar.train.loop.fingerprint import deciding_keys
from ssl4sar.train.loop.module import Score
from ssl4sar.train.loop.run import Runtime, Trained, loader_of, opened, run
from ssl4sar.train.operations.resume_folder import PICTURES
from ssl4sar.train.pretext.pair_crops import PairDataset
from ssl4sar.train.pretext.pair_sampling import PairSampleDrawer
from ssl4sar.train.pretext.pair_tiles import PairTiles
from ssl4sar.train.pretext.pretrain_module import PretextScore, PretrainModule
from ssl4sar.train.pretext.pretrain_pictures import PretextPictures

#: Prefix of the network to be transferred among the tensors of a pretext network.
_INNER: Final = "network."


@dataclass(frozen=True)
class PretrainResult:
    """What a finished pretraining left.

    Attributes:
        task: the pretext task.
        epoch: epoch of the exported weights, from 1.
        epochs: epochs that were trained.
        validation: score of the exported weights; None where that epoch was not validated.
        resumed_after_epoch: epochs that an earlier run had done; None: started from the beginning.
        parameters: number of trained parameters.
        starting_weights: where they came from, with the SHA-256 of the file.
    """

    task: Task
    epoch: int
    epochs: int
    validation: Score | None
    resumed_after_epoch: int | None
    parameters: int
    starting_weights: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return the facts that equal trainings share."""
        return {
            "task": self.task,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "validation": None if self.validation is None else self.validation.as_dict(),
            "parameters": self.parameters,
            "starting_weights": self.starting_weights,
        }


@dataclass(frozen=True)
class PretrainOutputs:
    """Files of a pretraining.

    Attributes:
        checkpoint: the network whose encoder and decoder are fine-tuned.
        metrics: CSV file with a row per epoch.
        pictures: npz file with the pictures of all drawn epochs.
    """

    checkpoint: Path
    metrics: Path
    pictures: Path


def recipe_of(task: Task, values: Mapping[str, Any]) -> PretextConfig:
    """Return the typed recipe of a task."""
    model = OptSimMIMConfig if task == "optsimmim" else OptTranslatorConfig
    return model.model_validate(values)


def pretrain(
    *,
    task: Task,
    store_path: Path,
    settings: TyrionConfig,
    weights: StartingWeights,
    recipe: PretextConfig,
    seed: int,
    source: str,
    outputs: PretrainOutputs,
    runtime: Runtime,
) -> PretrainResult:
    """Pretrain a network on a pretext task and export the chosen weights.

    An earlier run resumes after its last epoch where configuration, data, seed and code are the
    same, otherwise the training starts again. Keys that change no step do not count: with fewer
    epochs than are done, what is there is exported.

    Args:
        task: the pretext task.
        store_path: folder of the store of pairs.
        settings: the network.
        weights: what it starts from.
        recipe: the recipe of the task.
        seed: seed of the run.
        source: digest of the code that decides the outcome.
        outputs: files to write.
        runtime: where the pretraining runs.

    Returns:
        What was exported.

    Raises:
        UserError: no image to train or validate on, bad starting weights, no GPU, another process
            that trains in the resume folder, a loss that is not finite, a full disk, a time limit
            that is near, or a signal to end.
    """
    with opened(runtime, store_path) as (device, store_folder):
        store = PairStore.open(store_folder)
        train = _numbers(store, "train", store_path, recipe)
        val = _numbers(store, "val", store_path, recipe)
        network, starting_weights = _starting_network(task, settings, weights, seed)
        facts = {
            "task": task,
            # Of the starting weights the content decides, not where the file is.
            "network": settings.model_dump(mode="json"),
            "starting_weights": starting_weights,
            "recipe": recipe.model_dump(mode="json"),
            "seed": seed,
            "store_sha256": store.sha256,
            "source": source,
        }
        workers = runtime.compute.loader_workers
        tiles = PairTiles(store, val, settings.input_px, recipe, seed, workers)
        pictures = PretextPictures(
            tiles, recipe.panels, runtime.resume_dir / PICTURES, synthetic=store.synthetic
        )
        module = PretrainModule(
            network,
            input_px=settings.input_px,
            config=recipe,
            seed=seed,
            block=task,
            validate=tiles.validate,
            pictures=pictures if runtime.team.leads else None,
        )
        drawer = PairSampleDrawer(
            [(store.scenes[n].height, store.scenes[n].width) for n in train],
            input_px=settings.input_px,
            config=recipe,
            seed=seed,
        )
        files = PretextFiles(settings, facts, tuple(store.glaciers))
        return run(
            module,
            loader_of(PairDataset(store, train, drawer), recipe, runtime, device, task),
            runtime=runtime,
            device=device,
            facts={**facts, "recipe": deciding_keys(recipe)},
            metrics_path=outputs.metrics,
            score_type=PretextScore,
            files=files,
            finish=lambda trained: _export(task, outputs, module, trained, files, pictures),
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


@dataclass(frozen=True)
class PretextFiles:
    """How the network of a pretraining is written to files.

    Attributes:
        settings: the network.
        facts: JSON values by name: what decides the pretraining.
        glaciers: glaciers that it is trained on.
    """

    settings: TyrionConfig
    facts: Mapping[str, Any]
    glaciers: Sequence[str]

    def save(self, path: Path, network: PretextNetwork, outcome: Mapping[str, Any]) -> None:
        """Write a network with the layers of its task."""
        tensors = network.state_dict()
        extra = {key: value for key, value in tensors.items() if not key.startswith(_INNER)}
        # Whoever starts from this file can see whether it has seen its test glaciers.
        seen = sorted({*self.glaciers, *self.facts["starting_weights"]["glaciers"]})
        info = {**self.facts, **outcome, "glaciers": seen}
        save_network(path, network.network, self.settings, info, extra=extra)

    def load(self, path: Path, network: PretextNetwork) -> None:
        """Read such a file into a network."""
        content = read_torch_file(path)
        inner = {f"{_INNER}{key}": value for key, value in content["state"].items()}
        network.load_state_dict({**inner, **content.get("extra", {})})


def _export(
    task: Task,
    outputs: PretrainOutputs,
    module: PretrainModule,
    trained: Trained,
    files: PretextFiles,
    pictures: PretextPictures,
) -> PretrainResult:
    """Write what the pretraining is for, as its leader; return what it is."""
    state = trained.state
    result = PretrainResult(
        task=task,
        epoch=trained.epoch,
        epochs=len(state.records),
        validation=trained.validation,
        resumed_after_epoch=trained.resumed_after_epoch,
        parameters=sum(p.numel() for p in module.network.parameters() if p.requires_grad),
        starting_weights=files.facts["starting_weights"],
    )
    if module.global_rank == 0:
        epochs = [record.epoch for record in state.records]
        if not pictures.drawn(epochs):  # gone, or another number is wanted and no epoch followed
            tell(f"there are no such pictures of the training: drawing epoch {trained.epoch} alone")
            pictures.draw(module.network.eval(), module.device, trained.epoch)
        pictures.gather(outputs.pictures, epochs)
        outcome = {**result.record(), "fingerprint": state.fingerprint}
        files.save(outputs.checkpoint, module.network, outcome)
    return result
