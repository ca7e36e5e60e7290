"""The fine-tuning recipe."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block
from ssl4sar.config.recipe import Probability, Recipe
from ssl4sar.config.series import SeriesConfig


class AugmentationConfig(Block):
    """Augmentations of a training crop, in the order in which they are applied."""

    rezoom_probability: Probability = 0.5
    """Probability of zooming the window by a factor f drawn from `rezoom_range`."""
    rezoom_range: tuple[float, float] = (0.33, 2.83)
    """Smallest and largest f: the window has f times the side of the network input."""
    warp_probability: Probability = 0.0
    """Probability of turning the window by any angle, stretching and bending it; not in the
    published recipe. With few glaciers it keeps a network from learning their shapes."""
    warp_stretch: float = Field(default=1.25, ge=1)
    """Largest stretch of one side of a warped window, whose other side shrinks as much."""
    warp_bend: float = Field(default=0.03, ge=0, le=0.2)
    """Bend of a warped window: standard deviation of the shift of 4 x 4 nodes, in its sides."""
    ocean_mixup_probability: Probability = 0.3
    """Probability of mixing another crop into the ocean of this one."""
    ocean_mixup_range: tuple[float, float] = (0.15, 0.30)
    """Smallest and largest weight w of the mixed-in crop: (a + w b) / (1 + w)."""
    speckle_probability: Probability = 0.2
    """Probability of additive speckle-like Poisson noise."""
    brightness_probability: Probability = 0.2
    """Probability of a brightness factor."""
    brightness_range: tuple[float, float] = (0.6, 1.4)
    """Smallest and largest brightness factor."""
    contrast_probability: Probability = 0.0
    """Probability of a contrast factor about the mean grey."""
    contrast_range: tuple[float, float] = (0.6, 1.4)
    """Smallest and largest contrast factor."""
    gamma_probability: Probability = 0.2
    """Probability of a gamma exponent."""
    gamma_range: tuple[float, float] = (0.7, 1.3)
    """Smallest and largest gamma exponent."""
    flip_probability: Probability = 0.5
    """Probability of each of the horizontal and the vertical flip."""
    rotation_probability: Probability = 0.5
    """Probability of a rotation by 90, 180 or 270 degrees."""
    legacy_bilinear_masks: bool = False
    """Resize masks bilinearly like the original code, which invents classes at boundaries."""
    legacy_no_antialias: bool = False
    """Shrink images without antialiasing like the original code at its pinned versions."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("rezoom", "ocean_mixup", "brightness", "contrast", "gamma"):
            low, high = getattr(self, f"{name}_range")
            if not 0 < low <= high:
                raise ValueError(f"{name}_range: need 0 < smallest <= largest, got {low}, {high}")
        return self


class TrainingConfig(Recipe):
    """Fine-tuning on CaFFe."""

    epochs: int = Field(default=150, ge=1)
    """Number of epochs."""
    samples_per_epoch: int = Field(default=40_000, ge=1)
    """Crops drawn per epoch; images are dealt in shuffled rounds that run on over epochs."""
    batch_size: int = Field(default=16, ge=1)
    """Crops per step, on one device; several share them, see `compute.devices`."""
    target_px: int = Field(default=256, ge=32)
    """Side of the central target window of the loss, pixels."""
    learning_rate: float = Field(default=0.01, gt=0)
    """Learning rate (peak of the schedule)."""
    schedule: Literal["constant", "cosine"] = "constant"
    """constant: as published; cosine: linear warm-up, then cosine to zero."""
    class_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """Weights of NA, rock, glacier, ocean in the cross-entropy."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Probability mass spread evenly over the three other classes."""
    dice_weight: float = Field(default=1.0, ge=0)
    """Weight of the Dice loss beside the cross-entropy."""
    centre_weight: Probability = 0.5
    """Share of the target in the loss; the rest is the whole window."""
    validation_stride_px: int | None = Field(default=None, ge=8)
    """Step between two validation windows, pixels; null: `prediction.centre_px`, no overlap."""
    checkpoint: Literal["best_mde", "best_iou", "last"] = "best_mde"
    """Which weights the result has: least validation MDE (as published), largest pooled IoU, or the
    last. By the published rule best_mde can favour an epoch with few fronts, since images without
    one have no distance; `val_no_front` in metrics.csv counts them."""
    sampling: Literal["images", "glaciers"] = "images"
    """images: every image equally often; glaciers: every glacier equally often."""
    front_crop_probability: Probability = 0.0
    """Share of the crops that are laid about a pixel of the labelled front; not in the published
    recipe. On few glaciers it brings predicted fronts much closer."""
    front_loss_weight: float = Field(default=0.0, ge=0)
    """Weight of the loss of a further output, the probability of the front; 0, as published: the
    network has no such output. It is trained beside the zones, and stored with them."""
    front_band_px: int = Field(default=1, ge=0)
    """Reach of the band about the labelled front that this output learns, pixels of the image."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """Augmentations of the crops."""
    series: SeriesConfig = SeriesConfig()
    """Series of a temporal network; `predicted` are the images whose loss counts."""

    @model_validator(mode="after")
    def _positive_weights(self) -> Self:
        if min(self.class_weights) < 0 or sum(self.class_weights) == 0:
            raise ValueError("class_weights: need four numbers >= 0 that are not all zero")
        return self
