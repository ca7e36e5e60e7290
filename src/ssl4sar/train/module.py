"""Fine-tuning as a Lightning module: one step, one schedule, averaged weights, one validation.

A step depends on (seed, epoch, batch) and the weights alone, so that a training that was killed
and resumed ends with the same bits as one that was not (on a CPU in 32-true arithmetic).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.seeding import derive_seed
from ssl4sar.models.tyrion import Tyrion
from ssl4sar.train.augment import augment_batch
from ssl4sar.train.crops import CropBatch
from ssl4sar.train.losses import SegmentationLoss
from ssl4sar.train.validation import ValidationScore, ValidationTotals

#: On a GPU a look at the loss waits for the device, so it is looked at in bunches.
_GPU_LOSSES_PER_LOOK = 32
_AVERAGE_WARMUP_STEPS = 10

#: Predicts and scores the share of the validation images that belongs to (rank, world size).
Validate = Callable[[Tyrion, torch.device, int, int], ValidationTotals]


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
    validation: ValidationScore | None


def learning_rate_at(step: int, total_steps: int, config: TrainingConfig) -> float:
    """Learning rate of optimiser step ``step`` (from 0) of ``total_steps``.

    constant: always the peak. cosine: linear up to the peak in the first ``warmup_fraction`` of
    the steps, then half a cosine towards 0 after the last step.
    """
    if config.schedule == "constant":
        return config.learning_rate
    warmup_steps = round(config.warmup_fraction * total_steps)
    if step < warmup_steps:
        return config.learning_rate * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def build_optimiser(network: nn.Module, config: TrainingConfig) -> Optimizer:
    """Build the optimiser of a network.

    sgd: momentum, weight decay on all parameters, as published. adamw: weight decay on matrices
    and kernels only, not on gains, biases and temperatures (usual for transformers).
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    # Lightning clips gradients in mixed precision only for optimisers in several kernels.
    fused = config.precision != "bf16-mixed" or config.gradient_clip_norm is None
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=fused,
        )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.adam_betas, fused=fused)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, updates: int) -> None:
    """Move averaged weights towards the network's, in place.

    The decay grows as (1 + n) / (10 + n) up to its limit, so that the random start is forgotten.

    Args:
        average: averaged weights a <- d a + (1 - d) w; buffers are copied.
        network: current weights w.
        decay: largest d.
        updates: number n of earlier updates.
    """
    d = min(decay, (1 + updates) / (_AVERAGE_WARMUP_STEPS + updates))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - d)
    for kept, current in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(current)


class FinetuneModule(pl.LightningModule):
    """The training of one network with one seed.

    Args:
        network: (B, 1, S, S) grey in [0, 1] -> (B, 4, S, S) logits.
        input_px: side S.
        config: the recipe.
        seed: seed of the run.
        validate: predicts and scores the validation images.
    """

    def __init__(
        self,
        network: Tyrion,
        *,
        input_px: int,
        config: TrainingConfig,
        seed: int,
        validate: Validate,
    ) -> None:
        super().__init__()
        self.network = network
        self.average: Tyrion | None = None
        if config.ema_decay is not None:
            self.average = deepcopy(network).requires_grad_(False).eval()
        self.loss = SegmentationLoss(
            config.target_px,
            config.label_smoothing,
            config.class_weights,
            config.dice_weight,
            config.centre_weight,
        )
        self.input_px = input_px
        self.config = config
        self.seed = seed
        self.validate_images = validate
        #: The finished epoch, for callbacks.
        self.record: EpochRecord | None = None
        self._total_steps = 0
        self._unseen_losses: list[Tensor] = []
        self._weights: list[float] = []
        self._losses: list[float] = []
        self._samples = 0
        self._epoch_start_s = 0.0

    @property
    def kept_network(self) -> Tyrion:
        """The network that is validated and exported: averaged weights where there are any."""
        return self.network if self.average is None else self.average

    def configure_optimizers(self) -> Optimizer:
        """Build the optimiser; the learning rate is set before every step."""
        self._total_steps = int(self.trainer.estimated_stepping_batches)
        return build_optimiser(self.network, self.config)

    def on_train_epoch_start(self) -> None:
        """Start the counts of the epoch."""
        self.record = None
        self._unseen_losses, self._losses, self._weights, self._samples = [], [], [], 0
        self._epoch_start_s = time.monotonic()
        if self.average is not None:
            self.average.eval()

    def training_step(self, batch: CropBatch, batch_index: int) -> Tensor:
        """Return the loss of a batch.

        Args:
            batch: the samples of this process.
            batch_index: not used: processes count their own steps.

        Raises:
            UserError: the loss is NaN or infinite.
        """
        # One dropout seed per batch of the recipe and part of it: neither loaders nor validation
        # nor a resume can shift it, nor does it depend on how many processes share the batches.
        torch.manual_seed(
            derive_seed(self.seed, "dropout", self.current_epoch, batch.number, batch.part)
        )
        del batch_index
        images, labels = augment_batch(batch, self.input_px, self.config.augmentation)
        loss: Tensor = self.loss(self.network(images), labels)
        self._samples += len(batch) if batch.weight else 0
        self._unseen_losses.append(loss.detach())
        self._weights.append(batch.weight)
        if self.device.type == "cpu" or len(self._unseen_losses) >= _GPU_LOSSES_PER_LOOK:
            self._look_at_losses()
        return loss if batch.weight == 1 else loss * batch.weight

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
            group["lr"] = learning_rate_at(step, self._total_steps, self.config)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.average is not None and self.config.ema_decay is not None:
            update_average(self.average, self.network, self.config.ema_decay, step)

    def on_train_epoch_end(self) -> None:
        """Validate if it is due, and record the epoch."""
        self._look_at_losses()
        trained_s = time.monotonic() - self._epoch_start_s
        weighted = (w * loss for w, loss in zip(self._weights, self._losses, strict=True))
        train_loss = self._mean_over_processes(math.fsum(weighted), math.fsum(self._weights))
        samples = self._mean_over_processes(float(self._samples), 1) * self.trainer.world_size
        validation = self._validation() if self._validation_is_due() else None
        steps = self.trainer.global_step
        self.record = EpochRecord(
            epoch=self.current_epoch + 1,
            step=steps,
            train_loss=train_loss,
            learning_rate=learning_rate_at(steps - 1, self._total_steps, self.config),
            samples_per_s=samples / max(trained_s, 1e-9),
            duration_s=time.monotonic() - self._epoch_start_s,
            validation=validation,
        )
        self.log_dict(_logged(self.record), on_step=False, on_epoch=True)

    def _validation_is_due(self) -> bool:
        epoch = self.current_epoch + 1
        return epoch % self.config.validate_every_epochs == 0 or epoch == self.config.epochs

    def _validation(self) -> ValidationScore:
        network = self.kept_network
        was_training = network.training
        network.eval()
        with torch.no_grad():
            totals = self.validate_images(
                network, self.device, self.global_rank, self.trainer.world_size
            )
        network.train(was_training)
        summed = self._reduce(totals.as_tensor().to(self.device))
        return ValidationTotals.from_tensor(summed.cpu()).score()

    def _look_at_losses(self) -> None:
        for loss in torch.stack(self._unseen_losses).tolist() if self._unseen_losses else []:
            if not math.isfinite(loss):
                raise UserError(
                    "training",
                    f"the loss became {loss} in epoch {self.current_epoch + 1}, "
                    f"batch {len(self._losses) + 1}",
                    "lower training.learning_rate, set training.gradient_clip_norm, or use "
                    "training.precision 32-true",
                )
            self._losses.append(loss)
        self._unseen_losses = []

    def _mean_over_processes(self, total: float, count: float) -> float:
        sums = self._reduce(torch.tensor([total, count], dtype=torch.float64, device=self.device))
        return float(sums[0] / sums[1])

    def _reduce(self, sums: Tensor) -> Tensor:
        reduced: Tensor = self.trainer.strategy.reduce(sums, reduce_op="sum")
        return reduced


def _logged(record: EpochRecord) -> dict[str, float]:
    values = {
        "train/loss": record.train_loss,
        "train/lr": record.learning_rate,
        "train/samples_per_s": record.samples_per_s,
    }
    if record.validation is not None:
        values["val/iou_pooled"] = record.validation.iou_pooled
        values["val/no_front"] = float(record.validation.no_front)
        # An undefined distance is not logged: any number in its place could be taken for one.
        if record.validation.mde_m is not None:
            values["val/mde_m"] = record.validation.mde_m
    return values
