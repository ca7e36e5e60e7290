"""One training as a Lightning module: one step, one schedule, averaged weights, one validation.

A step depends on (seed, epoch, batch) and the weights alone, so that a training that was killed
and resumed ends with the same bits as one that was not (on a CPU in 32-true arithmetic).
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.optimizer import Optimizer

from ssl4sar.config.pretext import PretextConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.seeding import derive_seed
from ssl4sar.train.loop.batches import Batch
from ssl4sar.train.loop.optimisation import (
    build_optimiser,
    copy_buffers,
    learning_rate_at,
    update_average,
)

#: On a GPU a look at the loss waits for the device, so it is looked at in bunches.
_GPU_LOSSES_PER_LOOK: Final = 32
_LOSSES_KEY: Final = "ssl4sar-validation-losses"
_NAMES_SHOWN: Final = 4

NetworkT = TypeVar("NetworkT", bound=nn.Module)
BatchT = TypeVar("BatchT", bound=Batch)


class Score(Protocol):
    """Result of one validation: a dataclass of builtins that its own values build again."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    #: Names of the columns in ``metrics.csv``.
    COLUMNS: ClassVar[tuple[str, ...]]
    #: Criteria by which an epoch can be the best.
    CRITERIA: ClassVar[tuple[str, ...]]

    def row(self) -> list[float | int | None]:
        """Return the values of the columns; None for what is undefined."""
        ...

    def text(self) -> str:
        """Return the score as part of a line for a person."""
        ...

    def logged(self) -> dict[str, float]:
        """Return the values for TensorBoard by name; nothing for what is undefined."""
        ...

    def is_better(self, criterion: str, other: Any) -> bool:
        """Return whether this score beats another one by a criterion."""
        ...


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch gave; one row of ``metrics.csv``.

    Attributes:
        epoch: number from 1.
        step: optimiser steps since the start.
        train_loss: mean loss of the batches.
        learning_rate: of the last optimiser step.
        samples_per_s: crops per second, all processes together, without validation.
        duration_s: seconds of the epoch with validation.
        validation: scores on the validation images; None where the epoch was not validated.
    """

    epoch: int
    step: int
    train_loss: float
    learning_rate: float
    samples_per_s: float
    duration_s: float
    validation: Score | None


class SampleLosses(NamedTuple):
    """Losses of a batch and what they belong to.

    Attributes:
        losses: (n,) losses whose mean is the loss of the batch: one per sample, or a single one
            that all samples share.
        names: image of each sample.
    """

    losses: Tensor
    names: Sequence[str]


class _Unseen(NamedTuple):
    """Losses that were not looked at yet, with the batch of the recipe that they belong to."""

    losses: Tensor
    names: Sequence[str]
    samples: Sequence[int]
    number: int

    def bad_samples(self, losses: Tensor) -> list[int]:
        """Return the places in the batch of the samples whose loss is not finite."""
        bad: list[int] = (~torch.isfinite(losses)).nonzero().ravel().tolist()
        return bad if len(losses) == len(self.names) or not bad else list(range(len(self.names)))


class TrainingModule(pl.LightningModule, Generic[NetworkT, BatchT]):
    """The training of one network with one seed; subclasses say what loss and validation are."""

    def __init__(
        self,
        network: NetworkT,
        *,
        config: TrainingConfig | PretextConfig,
        seed: int,
        block: str,
    ) -> None:
        super().__init__()
        self.network = network
        self.average: NetworkT | None = None
        if config.ema_decay is not None:
            self.average = deepcopy(network).requires_grad_(False).eval()
        self.recipe = config
        self.seed = seed
        self.block = block
        #: The finished epoch, for callbacks.
        self.record: EpochRecord | None = None
        #: Validation losses so far, for schedules that follow them.
        self.validation_losses: list[float] = []
        self._total_steps = 0
        self._unseen: list[_Unseen] = []
        self._weights: list[float] = []
        self._losses: list[float] = []
        self._samples = 0
        self._epoch_start_s = 0.0

    @abstractmethod
    def sample_losses(self, batch: BatchT) -> SampleLosses:
        """Return the losses of a batch of this process."""

    @abstractmethod
    def score(self, network: NetworkT) -> Score:
        """Validate a network in evaluation mode; equal in all processes."""

    @property
    def final_network(self) -> NetworkT:
        """The network that is validated and exported: averaged weights where there are any."""
        return self.network if self.average is None else self.average

    @property
    def has_stagnated(self) -> bool:
        """Whether the validation says that the training may end before its last epoch."""
        return False

    def on_train_start(self) -> None:
        """End at once where the run before was ended between its last epoch and its export."""
        if self.has_stagnated:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> Optimizer:
        """Build the optimiser; the learning rate is set before every step."""
        self._total_steps = int(self.trainer.estimated_stepping_batches)
        return build_optimiser(self.network, self.recipe)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what the schedule follows."""
        checkpoint[_LOSSES_KEY] = list(self.validation_losses)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the schedule follows."""
        self.validation_losses = list(checkpoint[_LOSSES_KEY])

    def on_train_epoch_start(self) -> None:
        """Start the counts of the epoch."""
        self.record = None
        self._unseen, self._losses, self._weights, self._samples = [], [], [], 0
        self._epoch_start_s = time.monotonic()
        if self.average is not None:
            self.average.eval()

    def training_step(self, batch: BatchT, batch_index: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            UserError: the loss is NaN or infinite.
        """
        # One dropout seed per batch of the recipe and part of it: neither loaders nor validation
        # nor a resume can shift it, nor does it depend on how many processes share the batches.
        key = batch.key
        torch.manual_seed(
            derive_seed(self.seed, "dropout", self.current_epoch, key.number, key.part)
        )
        del batch_index
        noted = self.sample_losses(batch)
        loss = noted.losses.mean()
        self._samples += len(batch) if key.weight else 0
        self._unseen.append(_Unseen(noted.losses.detach(), noted.names, key.samples, key.number))
        self._weights.append(key.weight)
        if self.device.type == "cpu" or len(self._unseen) >= _GPU_LOSSES_PER_LOOK:
            self._look_at_losses()
        return loss if key.weight == 1 else loss * key.weight

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Set the learning rate, move the weights, then their average."""
        step = self.trainer.global_step
        for group in optimizer.param_groups:
            group["lr"] = self._learning_rate(step)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.average is not None and self.recipe.ema_decay is not None:
            update_average(self.average, self.network, self.recipe.ema_decay, step)

    def on_train_epoch_end(self) -> None:
        """Validate if it is due, and record the epoch.

        Raises:
            UserError: a loss or a weight is not finite; nothing of this epoch is saved then.
        """
        self._look_at_losses()
        self._check_weights()
        trained_s = time.monotonic() - self._epoch_start_s
        weighted = (w * loss for w, loss in zip(self._weights, self._losses, strict=True))
        train_loss = self._mean_over_processes(math.fsum(weighted), math.fsum(self._weights))
        samples = self._mean_over_processes(float(self._samples), 1) * self.trainer.world_size
        self._share_statistics()
        steps = self.trainer.global_step
        learning_rate = self._learning_rate(steps - 1)
        validation = self._validation() if self.validation_is_due else None
        self.record = EpochRecord(
            epoch=self.current_epoch + 1,
            step=steps,
            train_loss=train_loss,
            learning_rate=learning_rate,
            samples_per_s=samples / max(trained_s, 1e-9),
            duration_s=time.monotonic() - self._epoch_start_s,
            validation=validation,
        )
        self.log_dict(_logged(self.record), on_step=False, on_epoch=True)
        if self.has_stagnated:
            self.trainer.should_stop = True

    def reduce_sum(self, sums: Tensor) -> Tensor:
        """Return sums added over all processes, on the CPU."""
        reduced: Tensor = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum")
        return reduced.cpu()

    @torch.no_grad()
    def _share_statistics(self) -> None:
        """Give all processes one network: of the statistics of batches each has its own.

        Their mean is validated, saved and trained on, so that a resumed training is the same.
        """
        if self.trainer.world_size == 1:
            return
        for layer in self.network.modules():
            if isinstance(layer, _BatchNorm):
                for own in (layer.running_mean, layer.running_var):
                    if own is not None:
                        own.copy_(self.trainer.strategy.reduce(own.clone(), reduce_op="mean"))
        if self.average is not None:
            copy_buffers(self.average, self.network)

    def _learning_rate(self, step: int) -> float:
        return learning_rate_at(step, self._total_steps, self.recipe, self.validation_losses)

    @property
    def validation_is_due(self) -> bool:
        """Whether the running epoch ends with a validation."""
        epoch = self.current_epoch + 1
        return epoch % self.recipe.validate_every_epochs == 0 or epoch == self.recipe.epochs

    def _validation(self) -> Score:
        network = self.final_network
        was_training = network.training
        network.eval()
        with torch.no_grad():
            score = self.score(network)
        network.train(was_training)
        return score

    def _look_at_losses(self) -> None:
        if not self._unseen:
            return
        counts = [len(noted.losses) for noted in self._unseen]
        found = torch.split(torch.cat([noted.losses for noted in self._unseen]).cpu(), counts)
        for losses, noted in zip(found, self._unseen, strict=True):
            bad = noted.bad_samples(losses)
            if bad:
                value = float(losses[~torch.isfinite(losses)][0])
                raise self._not_finite(value, noted, bad)
            self._losses.append(float(losses.mean()))
        self._unseen = []

    def _not_finite(self, loss: float, noted: _Unseen, bad: Sequence[int]) -> UserError:
        # Numbers of the recipe, from 1: with any number of processes the same.
        images = [f"{noted.names[n]} (sample {noted.samples[n] + 1})" for n in bad[:_NAMES_SHOWN]]
        more = f" and {len(bad) - _NAMES_SHOWN} more" if len(bad) > _NAMES_SHOWN else ""
        problem = (
            f"the loss became {loss} in epoch {self.current_epoch + 1}, "
            f"batch {noted.number + 1}, image {', '.join(images)}{more}"
        )
        return self.diverged(problem, "look at the image, ")

    def _check_weights(self) -> None:
        """Refuse weights that the last steps have spoilt, which no loss has shown yet."""
        finite = torch.stack([torch.isfinite(p).all() for p in self.network.parameters()])
        if not bool(finite.all()):
            last = math.ceil(self.recipe.samples_per_epoch / self.recipe.batch_size)
            raise self.diverged(
                f"weights became NaN or infinite in epoch {self.current_epoch + 1}, "
                f"by batch {last}, its last"
            )

    def diverged(self, problem: str, look: str = "") -> UserError:
        """Return the error of a training whose numbers are not finite any more.

        Args:
            problem: what was found.
            look: what to look at first; empty or with a comma and a space behind it.
        """
        remedies = [f"lower {self.block}.learning_rate", f"set {self.block}.gradient_clip_norm"]
        if self.recipe.precision != "32-true":
            remedies.append(f"use {self.block}.precision 32-true")
        changed = f"{', '.join(remedies[:-1])} or {remedies[-1]}; it then starts again"
        return UserError("training", problem, f"{look}{changed}{self._saved_state()}")

    def _saved_state(self) -> str:
        """Say what becomes of the epochs before the running one."""
        epoch, recipe = self.current_epoch, self.recipe
        if not epoch:
            return ""
        state = f", the state after epoch {epoch} is set aside in its resume folder"
        can_end = epoch >= recipe.validate_every_epochs or recipe.checkpoint == "last"
        if recipe.schedule == "cosine" or not can_end:
            return state
        return f"{state}; or end with that state by {self.block}.epochs: {epoch}"

    def _mean_over_processes(self, total: float, count: float) -> float:
        sums = self.reduce_sum(torch.tensor([total, count], dtype=torch.float64))
        return float(sums[0] / sums[1])


def _logged(record: EpochRecord) -> dict[str, float]:
    values = {
        "train/loss": record.train_loss,
        "train/lr": record.learning_rate,
        "train/samples_per_s": record.samples_per_s,
    }
    return values if record.validation is None else values | record.validation.logged()
