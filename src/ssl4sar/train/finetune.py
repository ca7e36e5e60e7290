"""Fine-tuning from a training store to a checkpoint file, resumable at every epoch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from ssl4sar.config.compute import BatchShares, ComputeConfig, share_batches
from ssl4sar.config.model import ModelConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import bars_allowed, tell
from ssl4sar.core.seeding import derive_seed
from ssl4sar.dataset.staging import staged
from ssl4sar.dataset.store import Store
from ssl4sar.models.checkpoint import save_network
from ssl4sar.models.tyrion import Tyrion, build_tyrion
from ssl4sar.models.weights import load_starting_weights
from ssl4sar.train.checkpointing import (
    AtomicCheckpointIO,
    ProgressLines,
    ResumePoint,
    TrainingState,
    clear_resume_folder,
    find_resume_point,
    training_fingerprint,
    write_metrics,
)
from ssl4sar.train.crops import CropDataset
from ssl4sar.train.data import TrainingCrops
from ssl4sar.train.deadline import TimeLimit
from ssl4sar.train.module import FinetuneModule
from ssl4sar.train.resume_lock import locked
from ssl4sar.train.sampling import SampleDrawer, SceneShape
from ssl4sar.train.stopping import ListenInTraining, StopSignals, stopped_by
from ssl4sar.train.team import ALONE, Team
from ssl4sar.train.validation import StoreValidation, ValidationScore, validation_windows

_LOG_FOLDER: Final = "tensorboard"
#: Lightning and torch remark on what is meant here: crops read in the training process, averaged
#: weights that stay in evaluation mode, functions to be replaced, a job of SLURM whose processes
#: are started otherwise, an option of older torch, values that are equal in all processes.
_EXPECTED_WARNINGS: Final = (
    ".*does not have many workers.*",
    r".*module\(s\) in eval mode.*",
    ".*treespec.*is deprecated.*",
    ".*`srun` command is available.*",
    ".*`broadcast_buffers` is deprecated.*",
    ".*sync_dist=True.*",
)


@dataclass(frozen=True)
class FinetuneResult:
    """What a finished training left.

    Attributes:
        checkpoint: the exported network.
        metrics: table with a row per epoch.
        epoch: epoch of the exported weights, from 1.
        validation: its scores; None where that epoch was not validated.
        resumed_after_epoch: epochs that an earlier run had done; None: started anew.
        parameters: number of trained parameters.
    """

    checkpoint: Path
    metrics: Path
    epoch: int
    validation: ValidationScore | None
    resumed_after_epoch: int | None
    parameters: int

    def record(self) -> dict[str, Any]:
        """Return the facts that equal trainings share.

        Whether a training was interrupted is a matter of its log: it ends with the same weights.
        """
        return {
            "epoch": self.epoch,
            "validation": None if self.validation is None else asdict(self.validation),
            "parameters": self.parameters,
        }


def finetune(
    *,
    store_path: Path,
    model_config: ModelConfig,
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

    An earlier run that was interrupted goes on from its last epoch where configuration, data,
    seed and code are the same; otherwise the training starts anew. ``compute_config`` may differ.

    Args:
        store_path: folder of the training store.
        model_config: the network and its starting weights.
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
    device = team.device(compute_config.device)
    torch.set_num_threads(compute_config.train_threads)
    # The lock is for writers, and another host may not know of it.
    lock = locked(resume_dir) if team.leads else nullcontext()
    with lock, staged(store_path, scratch) as store_folder:
        store = Store.open(store_folder)
        _check_scenes(store, store_path, training_config)
        network, starting_weights = _starting_network(model_config, seed)
        windows = validation_windows(training_config, centre_px, sigma_px)
        facts = {
            "model": model_config.model_dump(mode="json"),
            "starting_weights": starting_weights,
            "training": training_config.model_dump(mode="json"),
            "validation_windows": windows.model_dump(mode="json"),
            "seed": seed,
            "store_sha256": store.sha256,
            "source": source,
        }
        fingerprint = training_fingerprint(facts)
        resume = team.agree(
            lambda: _resume_or_clear(resume_dir, fingerprint, training_config.epochs)
        )
        progress = ProgressLines()
        state = TrainingState(resume_dir, metrics_path, fingerprint, progress.tell_epoch)
        module = FinetuneModule(
            network,
            input_px=model_config.input_px,
            config=training_config,
            seed=seed,
            validate=StoreValidation(store, _numbers(store, "val"), windows),
        )
        crops = _training_crops(
            store, model_config, training_config, compute_config.loader_workers, seed, device, team
        )
        signals = StopSignals()
        callbacks: list[Callback] = [state, progress, ListenInTraining(signals)]
        if end_s is not None:
            callbacks.append(TimeLimit(end_s, team))
        # Known even where the training is resumed and ended before it has read its state.
        with signals.told(
            lambda name: stopped_by(name, _epochs_done(state, resume), training_config.epochs)
        ):
            _fit(module, crops, device, callbacks, resume_dir, resume, team)
            return _finish(checkpoint_path, module, state, model_config, facts, resume, team)


def _epochs_done(state: TrainingState, resume: ResumePoint | None) -> int:
    return max(len(state.records), 0 if resume is None else resume.epochs_done)


def _shares(config: TrainingConfig, team: Team) -> BatchShares:
    try:
        return share_batches(config.batch_size, config.accumulate_batches, team.size)
    except ValueError as error:
        subject, problem = str(error).split(": ", 1)
        raise UserError(subject, problem, "choose numbers that divide each other") from None


def _check_scenes(store: Store, path: Path, config: TrainingConfig) -> None:
    if not _numbers(store, "train"):
        raise UserError(path, "the store has no training image", "build it from a full tree")
    if not _numbers(store, "val") and config.checkpoint != "last":
        raise UserError(
            path,
            f"there is no validation image to choose the {config.checkpoint} weights by",
            "raise caffe.validation_fraction or set training.checkpoint to last",
        )


def _starting_network(config: ModelConfig, seed: int) -> tuple[Tyrion, dict[str, Any]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initial weights"))
        network = build_tyrion(config)
    report = asdict(load_starting_weights(network, config))
    # The content decides, not the place where the file lies.
    report.pop("file")
    return network, report


def _numbers(store: Store, split: str) -> tuple[int, ...]:
    return tuple(i for i, scene in enumerate(store.scenes) if scene.split == split)


def _training_crops(
    store: Store,
    model_config: ModelConfig,
    config: TrainingConfig,
    loader_workers: int,
    seed: int,
    device: torch.device,
    team: Team,
) -> TrainingCrops:
    numbers = _numbers(store, "train")
    drawer = SampleDrawer(
        [
            SceneShape(scene.glacier, scene.height, scene.width)
            for scene in (store.scenes[number] for number in numbers)
        ],
        input_px=model_config.input_px,
        target_px=config.target_px,
        augmentation=config.augmentation,
        sampling=config.sampling,
        samples_per_epoch=config.samples_per_epoch,
        seed=seed,
    )
    return TrainingCrops(
        CropDataset(store, numbers, drawer),
        samples_per_epoch=config.samples_per_epoch,
        batch_size=config.batch_size,
        workers=loader_workers,
        pin_memory=device.type == "cuda",
        shares=_shares(config, team),
    )


def _resume_or_clear(folder: Path, fingerprint: str, epochs: int) -> ResumePoint | None:
    """Find where to go on, or make room for a training that starts anew."""
    resume = find_resume_point(folder, fingerprint)
    if resume is None:
        clear_resume_folder(folder)
    else:
        tell(f"resuming after epoch {resume.epochs_done} of {epochs}")
    return resume


def _fit(
    module: FinetuneModule,
    crops: TrainingCrops,
    device: torch.device,
    callbacks: list[Callback],
    resume_dir: Path,
    resume: ResumePoint | None,
    team: Team,
) -> None:
    with _quiet_lightning(), matmul_precision(device, module.config.precision):
        trainer = _trainer(device, module.config, resume_dir, callbacks, resume, team)
        trainer.fit(
            module,
            datamodule=crops,
            ckpt_path=None if resume is None else resume.path,
            weights_only=True,
        )


def _finish(
    path: Path,
    module: FinetuneModule,
    state: TrainingState,
    model_config: ModelConfig,
    facts: Mapping[str, Any],
    resume: ResumePoint | None,
    team: Team,
) -> FinetuneResult:
    """Write what the training is for, as its leader; return what it is."""
    if len(state.records) != module.config.epochs:
        raise RuntimeError(f"training ended after {len(state.records)} epochs")
    epoch, validation = _chosen(module, state)
    parameters = sum(p.numel() for p in module.network.parameters() if p.requires_grad)
    if team.leads:
        # A training that had already ended when it was resumed has not written its table again.
        write_metrics(state.metrics_path, state.records)
        _load_chosen(module, state)
        outcome = {
            "epoch": epoch,
            "validation": None if validation is None else asdict(validation),
            "parameters": parameters,
            "fingerprint": state.fingerprint,
        }
        save_network(path, module.network, model_config, {**facts, **outcome})
    return FinetuneResult(
        checkpoint=path,
        metrics=state.metrics_path,
        epoch=epoch,
        validation=validation,
        resumed_after_epoch=None if resume is None else resume.epochs_done,
        parameters=parameters,
    )


def _chosen(module: FinetuneModule, state: TrainingState) -> tuple[int, ValidationScore | None]:
    """Return epoch and scores of the weights that go on."""
    criterion = module.config.checkpoint
    if criterion == "last":
        return state.records[-1].epoch, state.records[-1].validation
    best = state.best[criterion]
    return best.epoch, best.score


def _load_chosen(module: FinetuneModule, state: TrainingState) -> None:
    """Put the weights that go on into the module's network."""
    criterion = module.config.checkpoint
    if criterion == "last":
        module.network.load_state_dict(module.kept_network.state_dict())
    else:
        module.network.load_state_dict(state.best_weights(criterion))


def _trainer(
    device: torch.device,
    config: TrainingConfig,
    resume_dir: Path,
    callbacks: list[Callback],
    resume: ResumePoint | None,
    team: Team,
) -> pl.Trainer:
    # Steps after the checkpoint are trained again: the log drops what it holds of them.
    logger = TensorBoardLogger(
        resume_dir,
        name=_LOG_FOLDER,
        version="",
        purge_step=None if resume is None else resume.step,
    )
    return pl.Trainer(
        **team.trainer_options(device),
        precision="bf16-mixed" if config.precision == "bf16-mixed" else "32-true",
        max_epochs=config.epochs,
        accumulate_grad_batches=_shares(config, team).accumulate_batches,
        gradient_clip_val=config.gradient_clip_norm,
        deterministic=device.type == "cpu",
        logger=logger,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), team.environment()],
        default_root_dir=resume_dir,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,  # values are logged per epoch; this only silences a remark
        inference_mode=False,
        enable_model_summary=False,
        enable_progress_bar=bars_allowed(),
    )


@contextmanager
def matmul_precision(device: torch.device, precision: str) -> Iterator[None]:
    """Let matrix products of float32 use TF32 while training on a GPU with precision tf32.

    Args:
        device: where the training runs; a CPU knows no TF32.
        precision: ``training.precision``.
    """
    if device.type != "cuda" or precision != "tf32":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's greetings and put its global switches back afterwards."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    deterministic = torch.are_deterministic_algorithms_enabled()
    settings: Any = torch.utils.deterministic
    fill = settings.fill_uninitialized_memory
    # Every buffer is written before it is read here; filling them all first costs time.
    settings.fill_uninitialized_memory = False
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic)
        settings.fill_uninitialized_memory = fill
