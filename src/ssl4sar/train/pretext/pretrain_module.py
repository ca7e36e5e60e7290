"""The step and the validation of the pretext tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from ssl4sar.config.pretext import PretextConfig
from ssl4sar.models.pretext import PretextNetwork
from ssl4sar.train.loop.module import SampleLosses, TrainingModule
from ssl4sar.train.loop.optimisation import has_stagnated
from ssl4sar.train.pretext.pair_crops import PairBatch
from ssl4sar.train.pretext.pair_resize import pairs_on_device
from ssl4sar.train.pretext.pair_tiles import PretextTotals
from ssl4sar.train.pretext.pretrain_pictures import PretextPictures

#: Scores the share of the validation tiles that belongs to (rank, world size) in an epoch.
Validate = Callable[[PretextNetwork, torch.device, int, int, int], PretextTotals]


@dataclass(frozen=True)
class PretextScore:
    """Result of a validation.

    Attributes:
        loss: mean absolute error over all values that count, in parts of the optical range, 0-1.
        tiles: number of tiles.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("val_loss", "val_tiles")
    CRITERIA: ClassVar[tuple[str, ...]] = ("best_loss",)

    loss: float
    tiles: int

    def row(self) -> list[float | int | None]:
        """Return the values of the columns."""
        return [self.loss, self.tiles]

    def text(self) -> str:
        """Return the score as part of a line for a person."""
        return f"validation loss {self.loss:.4f}"

    def logged(self) -> dict[str, float]:
        """Return the values for TensorBoard by name."""
        return {"val/loss": self.loss}

    def is_better(self, criterion: str, other: Any) -> bool:
        """Return whether the loss is smaller; the earlier epoch wins a tie."""
        del criterion
        return bool(self.loss < other.loss)


class PretrainModule(TrainingModule[PretextNetwork, PairBatch]):
    """The pretraining of one network on one pretext task.

    Args:
        network: the pretext network.
        input_px: side S of its input.
        config: the recipe.
        seed: seed of the run.
        block: block of the configuration with the recipe, for errors.
        validate: scores the validation tiles of this process.
        pictures: draws pictures; None: another process does.
    """

    def __init__(
        self,
        network: PretextNetwork,
        *,
        input_px: int,
        config: PretextConfig,
        seed: int,
        block: str,
        validate: Validate,
        pictures: PretextPictures | None,
    ) -> None:
        super().__init__(network, config=config, seed=seed, block=block)
        self.config = config
        self.input_px = input_px
        self.validate_tiles = validate
        self.pictures = pictures

    @property
    def has_stagnated(self) -> bool:
        """Whether the validation loss has not fallen for as long as the recipe waits."""
        return has_stagnated(self.validation_losses, self.config.early_stop_patience)

    def on_train_start(self) -> None:
        """Make room for the pictures of a training that starts again."""
        super().on_train_start()
        if self.pictures is not None and self.current_epoch == 0:
            self.pictures.clear()

    def sample_losses(self, batch: PairBatch) -> SampleLosses:
        """Return the loss of each sample: its sum of absolute errors over all its values.

        Values without data count in the denominator, as errors of zero, so that losses and
        gradients add up over processes.
        """
        pairs = pairs_on_device(batch, self.input_px, ignore_no_data=self.config.ignore_no_data)
        errors = self.network.errors(pairs.sar, pairs.optical, pairs.valid, batch.masked)
        return SampleLosses(errors.losses(), batch.names)

    def score(self, network: PretextNetwork) -> PretextScore:
        """Score all validation tiles.

        Raises:
            UserError: the loss is NaN or infinite, or no pixel counts.
        """
        totals = self.validate_tiles(
            network, self.device, self.global_rank, self.trainer.world_size, self.current_epoch
        )
        score = PretextTotals.from_tensor(self.reduce_sum(totals.as_tensor()))
        loss = score.mean
        if not math.isfinite(loss):
            # Such an epoch would stay the best one for ever, or be what a resume starts from.
            raise self.diverged(
                f"the validation loss became {loss} after epoch {self.current_epoch + 1}"
            )
        # That of a last epoch which is not due says when the training ends; the rate, should the
        # training be prolonged, must not follow it.
        if (self.current_epoch + 1) % self.recipe.validate_every_epochs == 0:
            self.validation_losses.append(loss)
        return PretextScore(loss, score.tiles)

    def on_train_epoch_end(self) -> None:
        """Validate if it is due, record the epoch, and draw pictures now and then.

        The first epoch and the last are always drawn, also where the training ends early.
        """
        super().on_train_epoch_end()
        epoch = self.current_epoch + 1
        every = self.config.panels_every_epochs
        is_last = epoch == self.recipe.epochs or self.has_stagnated
        if self.pictures is not None and (epoch == 1 or is_last or epoch % every == 0):
            network = self.final_network
            was_training = network.training
            network.eval()
            with torch.no_grad():
                self.pictures.draw(network, self.device, epoch)
            network.train(was_training)
