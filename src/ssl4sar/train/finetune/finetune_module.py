"""The step and the validation of fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.models.network import FRONT, SeriesNetwork, ZoneNetwork
from ssl4sar.train.finetune.augment import augment_batch
from ssl4sar.train.finetune.crops import CropBatch
from ssl4sar.train.finetune.losses import SegmentationLoss, front_loss
from ssl4sar.train.finetune.series import SeriesBatch, series_logits
from ssl4sar.train.finetune.validation import ValidationScore, ValidationTotals
from ssl4sar.train.loop.module import SampleLosses, TrainingModule

#: Predicts and scores the share of the validation images that belongs to (rank, world size).
Validate = Callable[[ZoneNetwork, torch.device, int, int], ValidationTotals]


def outputs_of(config: TrainingConfig) -> int:
    """Return the outputs of a network: the zones and, where its loss counts, the front."""
    return CLASS_COUNT + (config.front_loss_weight > 0)


class FinetuneModule(TrainingModule[ZoneNetwork, CropBatch]):
    """The fine-tuning of one network with one seed.

    Args:
        network: (B, 1, S, S) grey in [0, 1] -> (B, K, S, S) logits, with as many outputs as
            the recipe asks for.
        input_px: side S.
        config: the recipe.
        seed: seed of the run.
        validate: predicts and scores the validation images.
        images: names of the training images, in the order of their numbers, for errors.
    """

    def __init__(
        self,
        network: ZoneNetwork,
        *,
        input_px: int,
        config: TrainingConfig,
        seed: int,
        validate: Validate,
        images: Sequence[str],
    ) -> None:
        super().__init__(network, config=config, seed=seed, block="training")
        self.loss = SegmentationLoss(
            config.target_px,
            config.label_smoothing,
            config.class_weights,
            config.dice_weight,
            config.centre_weight,
        )
        self.input_px = input_px
        self.augmentation = config.augmentation
        self.front_loss_weight = config.front_loss_weight
        self.front_band_px = config.front_band_px
        self.outputs = outputs_of(config)
        self.validate_images = validate
        self.images = tuple(images)

    def sample_losses(self, batch: CropBatch) -> SampleLosses:
        """Return the one loss of a batch: Dice is not a mean over samples.

        Raises:
            UserError: the output of the network has another shape than zones have.
        """
        images, labels, fronts = augment_batch(
            batch, self.input_px, self.augmentation, self.front_band_px
        )
        if isinstance(batch, SeriesBatch) and isinstance(self.network, SeriesNetwork):
            logits, counted = series_logits(self.network, images, batch.series)
            labels = labels[counted]
            fronts = None if fronts is None else fronts[counted]
        else:
            logits = self.network(images)
        # Too few channels would train to the end, and fail in the prediction.
        expected = (len(labels), self.outputs, self.input_px, self.input_px)
        if logits.shape != expected:
            raise UserError(
                "output of the network",
                f"its shape is {tuple(logits.shape)}, not {expected}",
                "correct its forward or its build in src/ssl4sar/models",
            )
        loss = self.loss(logits[:, :CLASS_COUNT], labels)
        if fronts is not None:
            loss = loss + self.front_loss_weight * front_loss(logits[:, FRONT], fronts)
        return SampleLosses(loss[None], [self.images[number] for number in batch.images])

    def score(self, network: ZoneNetwork) -> ValidationScore:
        """Predict and score all validation images."""
        totals = self.validate_images(
            network, self.device, self.global_rank, self.trainer.world_size
        )
        return ValidationTotals.from_tensor(self.reduce_sum(totals.as_tensor())).score()
