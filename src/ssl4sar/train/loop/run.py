"""What every training does around its steps: lock, resume, listen, fit, choose the weights.

A training that was interrupted resumes after its last epoch where its fingerprint is the same.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from ssl4sar.config.batch_shares import BatchShares, share_batches
from ssl4sar.config.recipe import Recipe
from ssl4sar.core.errors import UserError
from ssl4sar.core.lock import sole
from ssl4sar.core.progress import bars_allowed, log
from ssl4sar.dataset.staging import staged
from ssl4sar.train.loop.checkpointing import AtomicCheckpointIO, NetworkFile, TrainingState
from ssl4sar.train.loop.data import TrainingCrops
from ssl4sar.train.loop.deadline import TimeLimit
from ssl4sar.train.loop.fingerprint import training_fingerprint
from ssl4sar.train.loop.module import Score, TrainingModule
from ssl4sar.train.loop.progress_lines import ProgressLines
from ssl4sar.train.operations.request import TrainingRequest
from ssl4sar.train.operations.resume_folder import TENSORBOARD, ResumePoint, claim
from ssl4sar.train.operations.stopping import StopSignals, stopped_by
from ssl4sar.train.operations.team import Team
from ssl4sar.train.operations.team_in_lightning import (
    ListenInTraining,
    environment_of,
    trainer_options,
)

#: In the folder of a training: whatever kills a workflow may leave its training alive, and a second
#: one there would mix its checkpoints with those of the first.
LOCK: Final = "training.lock"
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


@contextmanager
def opened(request: TrainingRequest, team: Team) -> Iterator[tuple[torch.device, Path]]:
    """Take the resume folder and the device, and yield the device and the folder of the store.

    Raises:
        UserError: no GPU, another process that trains here, or no room on the node's disk.
    """
    device = team.device(request.compute.device)
    torch.set_num_threads(request.compute.train_threads)
    # The lock is for writers, and another host may not know of it.
    resume = request.resume
    lock = sole(resume / LOCK, resume, "trains here") if team.leads else nullcontext()
    with lock, staged(request.store, request.scratch) as folder:
        yield device, folder


@dataclass(frozen=True)
class Trained:
    """A training that has ended, before its weights are exported.

    Attributes:
        state: its epochs and best weights.
        epoch: epoch of the chosen weights, from 1; they are in the module's network.
        validation: their scores; None where that epoch was not validated.
    """

    state: TrainingState
    epoch: int
    validation: dict[str, Any] | None


@dataclass(frozen=True)
class TrainingResult:
    """A training whose weights are exported.

    Attributes:
        record: facts that equal trainings share, as JSON values.
        resumed_after_epoch: epochs that an earlier run had done; None: started from the beginning.
    """

    record: dict[str, Any]
    resumed_after_epoch: int | None


def run(
    module: TrainingModule[Any, Any],
    dataset: Any,
    request: TrainingRequest,
    team: Team,
    device: torch.device,
    *,
    facts: Mapping[str, Any],
    score_type: type[Score],
    file: NetworkFile,
    export: Callable[[Trained], dict[str, Any]],
) -> TrainingResult:
    """Train, choose the weights, and export them.

    Args:
        module: the training.
        dataset: its batches by ``BatchKey``.
        request: where it runs.
        team: place of this process among those that share the training. They all see the same
            files; the leader writes.
        device: device of this process.
        facts: JSON values by name: everything that decides the steps.
        score_type: what its validation gives.
        file: how its network is written to files.
        export: writes the weights in ``module.network`` and returns the record of the training.

    Raises:
        UserError: processes that cannot share the samples of a step evenly, a loss that is not
            finite, a full disk, a time limit that is near, or a signal to end.
    """
    recipe, folder = module.recipe, request.resume
    shares = _shares(recipe, team, module.block)
    fingerprint = training_fingerprint(facts)
    resume = team.agree(lambda: _claim(folder, fingerprint, recipe.epochs))
    progress = ProgressLines()
    state = TrainingState(
        folder, request.metrics, fingerprint, progress.log_epoch, score_type, file
    )
    signals = StopSignals()
    callbacks: list[Callback] = [state, progress, ListenInTraining(signals)]
    if request.end_s is not None:
        callbacks.append(TimeLimit(request.end_s, team, lambda: state.records))
    resumed = None if resume is None else resume.epochs_done

    def epochs_done() -> int:
        # Known even where the training is resumed and ended before it has read its state.
        return max(len(state.records), resumed or 0)

    crops = TrainingCrops(
        dataset,
        samples_per_epoch=recipe.samples_per_epoch,
        batch_size=recipe.batch_size,
        workers=request.compute.loader_workers,
        pin_memory=device.type == "cuda",
        shares=shares,
        first_epoch=resumed or 0,
    )
    with signals.raised_as(lambda name: stopped_by(name, epochs_done(), recipe.epochs)):
        with _quiet_lightning(), matmul_precision(device, recipe.precision):
            _trainer(device, module, folder, callbacks, resume, team, shares).fit(
                module,
                datamodule=crops,
                ckpt_path=None if resume is None else resume.path,
                weights_only=True,
            )
        return TrainingResult(export(_trained(module, state, team)), resumed)


def _shares(recipe: Recipe, team: Team, block: str) -> BatchShares:
    try:
        return share_batches(recipe.batch_size, recipe.accumulate_batches, team.size, block)
    except ValueError as error:
        subject, problem = str(error).split(": ", 1)
        raise UserError(subject, problem, "choose numbers that divide each other") from None


def _claim(folder: Path, fingerprint: str, epochs: int) -> ResumePoint | None:
    resume = claim(folder, fingerprint)
    if resume is not None and resume.epochs_done > epochs:
        log(f"{resume.epochs_done} epochs are done, {epochs} are asked for: nothing to train")
    elif resume is not None:
        log(f"resuming after epoch {resume.epochs_done} of {epochs}")
    return resume


def _trained(module: TrainingModule[Any, Any], state: TrainingState, team: Team) -> Trained:
    checkpoint, done = module.recipe.checkpoint, len(state.records)
    if done < module.recipe.epochs and not module.has_stagnated:
        raise RuntimeError(f"training ended after {done} epochs")
    last = checkpoint == "last"
    if not last and checkpoint not in state.best:
        raise UserError(
            f"{module.block}.epochs",
            f"none of the {done} epochs that are done was validated",
            f"set it to {module.recipe.validate_every_epochs}, or {module.block}.checkpoint: last",
        )
    epoch = state.records[-1].epoch if last else state.best[checkpoint].epoch
    if epoch > module.recipe.epochs:
        # A later epoch than asked for must not go by the name of a shorter training.
        raise UserError(
            f"{module.block}.epochs",
            f"{done} epochs are done, and the one to export is {epoch}",
            f"set it to {done} to end the training there, or remove {state.folder} to train again",
        )
    validation = state.records[-1].validation if last else state.best[checkpoint].score
    if team.leads:
        # A training that had already ended when it was resumed has not written its table again.
        state.write_table()
        if last:
            module.network.load_state_dict(module.final_network.state_dict())
        else:
            state.load_best(checkpoint, module.network)
    return Trained(state, epoch, None if validation is None else asdict(validation))


def _trainer(
    device: torch.device,
    module: TrainingModule[Any, Any],
    resume_dir: Path,
    callbacks: list[Callback],
    resume: ResumePoint | None,
    team: Team,
    shares: BatchShares,
) -> pl.Trainer:
    recipe = module.recipe
    # Steps after the checkpoint are trained again: the log drops what it holds of them.
    logger = TensorBoardLogger(
        resume_dir,
        name=TENSORBOARD,
        version="",
        purge_step=None if resume is None else resume.step,
    )
    return pl.Trainer(
        **trainer_options(team, device),
        precision="bf16-mixed" if recipe.precision == "bf16-mixed" else "32-true",
        # Fewer epochs than are done already end the training; Lightning would refuse them.
        max_epochs=recipe.epochs if resume is None else max(recipe.epochs, resume.epochs_done),
        accumulate_grad_batches=shares.accumulate_batches,
        gradient_clip_val=recipe.gradient_clip_norm,
        deterministic=device.type == "cpu",
        logger=logger,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), environment_of(team)],
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
        precision: that of the recipe.
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
