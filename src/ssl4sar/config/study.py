"""The whole configuration file."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ssl4sar.config.batch_shares import share_batches
from ssl4sar.config.block import Block
from ssl4sar.config.caffe import CaffeConfig
from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.evaluation import EvaluationConfig
from ssl4sar.config.model import ModelConfig
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.config.pretraining import (
    TASKS,
    WITH_WEIGHTS,
    PretrainingConfig,
    Task,
    Variant,
    can_start,
)
from ssl4sar.config.scene import SceneConfig
from ssl4sar.config.sentinel import AcquisitionConfig, OpticalConfig, SentinelConfig
from ssl4sar.config.services import (
    AsfConfig,
    CdseConfig,
    DhusConfig,
    ElevationConfig,
    StacConfig,
)
from ssl4sar.config.ssl4sar_data import Ssl4sarDataConfig
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
    ssl4sar: Ssl4sarDataConfig = Ssl4sarDataConfig()
    """The pairs of images for the pretraining."""
    pair_scene: PairSceneConfig = PairSceneConfig()
    """The synthetic pairs (used with ssl4sar.source synthetic)."""
    acquisition: AcquisitionConfig = AcquisitionConfig()
    """Glaciers to acquire scenes of."""
    sentinel: SentinelConfig = SentinelConfig()
    """Scenes to acquire."""
    optical: OpticalConfig = OpticalConfig()
    """The Sentinel-2 images to acquire."""
    cdse: CdseConfig = CdseConfig()
    """The service of sentinel.provider cdse."""
    dhus: DhusConfig = DhusConfig()
    """The service of sentinel.provider dhus."""
    asf: AsfConfig = AsfConfig()
    """The service of sentinel.provider asf."""
    stac: StacConfig = StacConfig()
    """The service of sentinel.provider stac."""
    elevation: ElevationConfig = ElevationConfig()
    """The elevation model below the scenes."""
    pretraining: PretrainingConfig = PretrainingConfig()
    """Starting points of the fine-tuning."""
    optsimmim: OptSimMIMConfig = OptSimMIMConfig()
    """The recipe of pretext task 1."""
    opttranslator: OptTranslatorConfig = OptTranslatorConfig()
    """The recipe of pretext task 2."""
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
        if self.optical.count and self.sentinel.optical_from == "asf":
            raise ValueError(
                "sentinel.optical_provider: asf holds no Sentinel-2: name another provider or set "
                "optical.count to 0"
            )
        self._check_pretraining()
        for name in ("training", *self.pretext_tasks):
            recipe = getattr(self, name)
            share_batches(
                recipe.batch_size, recipe.accumulate_batches, self.compute.processes, block=name
            )
        return self

    def _check_pretraining(self) -> None:
        variant = self.pretraining.variant
        if not can_start(variant, self.model.weights):
            wanted = " or ".join(sorted(WITH_WEIGHTS[variant]))
            raise ValueError(
                f"pretraining.variant: {variant} needs model.weights {wanted}, "
                f"not {self.model.weights}"
            )

    @property
    def compared(self) -> tuple[Variant, ...]:
        """Starting points that can be compared with the weights that are given."""
        return tuple(
            variant
            for variant in self.pretraining.compare
            if can_start(variant, self.model.weights)
        )

    @property
    def pretext_tasks(self) -> tuple[Task, ...]:
        """Pretext tasks that this run trains."""
        wanted = {self.pretraining.variant, *self.compared}
        return tuple(task for task in TASKS if task in wanted)
