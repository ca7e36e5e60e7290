"""The whole configuration file."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block
from ssl4sar.config.caffe import CaffeConfig
from ssl4sar.config.compute import ComputeConfig, share_batches
from ssl4sar.config.evaluation import EvaluationConfig
from ssl4sar.config.model import ModelConfig
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.scene import SceneConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.config.weights import WeightsConfig


class StudyConfig(Block):
    """One complete run of the workflow."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Name of the run: its intermediate files live in runs/<name>."""
    seeds: tuple[int, ...] = Field(default=(0, 1), min_length=1)
    """Seeds of the independent trainings; the benchmark uses five."""
    caffe: CaffeConfig = CaffeConfig()
    """The CaFFe tree."""
    scene: SceneConfig = SceneConfig()
    """The synthetic scenes (used with caffe.source synthetic)."""
    model: ModelConfig = ModelConfig()
    """The network."""
    weights: WeightsConfig = WeightsConfig()
    """ImageNet weights to fetch."""
    training: TrainingConfig = TrainingConfig()
    """The fine-tuning recipe."""
    prediction: PredictionConfig = PredictionConfig()
    """Inference on whole images."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Pictures of the evaluation."""
    compute: ComputeConfig = ComputeConfig()
    """Device and cores."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds: need different whole numbers >= 0")
        if self.training.target_px > self.model.input_px:
            raise ValueError(
                f"training.target_px: {self.training.target_px} is larger than "
                f"model.input_px {self.model.input_px}"
            )
        if self.prediction.centre_px > self.model.input_px:
            raise ValueError(
                f"prediction.centre_px: {self.prediction.centre_px} is larger than "
                f"model.input_px {self.model.input_px}"
            )
        stride_px = self.training.validation_stride_px
        if stride_px is not None and stride_px > self.prediction.centre_px:
            raise ValueError(
                f"training.validation_stride_px: {stride_px} is larger than "
                f"prediction.centre_px {self.prediction.centre_px}, which would leave gaps"
            )
        training = self.training
        share_batches(training.batch_size, training.accumulate_batches, self.compute.processes)
        return self
