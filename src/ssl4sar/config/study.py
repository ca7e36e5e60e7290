"""The whole configuration file."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from ssl4sar.config.batch_shares import BatchShares, share_batches, smallest_batch
from ssl4sar.config.block import Block
from ssl4sar.config.caffe import CaffeConfig
from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.evaluation import EvaluationConfig
from ssl4sar.config.models import (
    NAME,
    TASKS,
    ModelRow,
    PretrainingConfig,
    Task,
    merged,
)
from ssl4sar.config.networks import NetworkSettings
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.config.recipe import Recipe
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
from ssl4sar.config.stack import StackConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.config.weights import WeightsConfig

ModelName = Annotated[str, StringConstraints(pattern=NAME)]


class StudyConfig(Block):
    """One complete run of the workflow."""

    name: str = Field(pattern=NAME)
    """Name of the run: its intermediate files live in runs/<name>."""
    seeds: tuple[int, ...] = Field(default=(0, 1), min_length=1)
    """Seeds of the independent trainings of each model; the benchmark uses five."""
    models: dict[ModelName, ModelRow] = Field(default={"tyrion": ModelRow()}, min_length=1)
    """The models by name: what can be trained, and compared."""
    model: str | None = None
    """The model behind results/caffe_mde.json; null: the first of `models`."""
    compare: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Models in results/pretraining_comparison.json; null: all with the network of `model`."""
    caffe: CaffeConfig = CaffeConfig()
    """The CaFFe tree."""
    scene: SceneConfig = SceneConfig()
    """The synthetic scenes (used with caffe.source synthetic)."""
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
    stack: StackConfig = StackConfig()
    """The dataset from raw scenes (used with ssl4sar.source sentinel)."""
    pretraining: PretrainingConfig = PretrainingConfig()
    """The pretraining on the pretext tasks."""
    optsimmim: OptSimMIMConfig = OptSimMIMConfig()
    """The recipe of pretext task 1."""
    opttranslator: OptTranslatorConfig = OptTranslatorConfig()
    """The recipe of pretext task 2."""
    training: TrainingConfig = TrainingConfig()
    """The recipe of the fine-tuning, of which a model may change keys."""
    prediction: PredictionConfig = PredictionConfig()
    """Inference on whole images."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Pictures of the evaluation."""
    compute: ComputeConfig = ComputeConfig()
    """Device and cores."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _require_seeds("seeds", self.seeds)
        self._check_names()
        for name in self.models:
            self._check_model(name)
        networks = {name: self.models[name].network.single_image for name in self._pretrained}
        if len({network.model_dump_json() for network in networks.values()}) > 1:
            raise ValueError(
                f"models: {', '.join(networks)} start from a pretext task, which trains one "
                "network: give them the same settings"
            )
        if self.optical.count and self.sentinel.optical_from == "asf":
            raise ValueError(
                "sentinel.optical_provider: asf holds no Sentinel-2: name another provider or set "
                "optical.count to 0"
            )
        self._check_raw_source()
        self._check_past()
        for task in self.pretext_tasks:
            self._share_batches(getattr(self, task), task)
        return self

    def _check_raw_source(self) -> None:
        if self.ssl4sar.source != "sentinel":
            return
        if not self.optical.count:
            raise ValueError("optical.count: ssl4sar.source sentinel needs an optical image: set 1")
        if self.optical.product_type != "S2MSI2A":
            raise ValueError("optical.product_type: ssl4sar.source sentinel needs S2MSI2A")

    def _check_past(self) -> None:
        """Refuse a mean over past dates whose images were predicted with later ones."""
        mean, series = self.prediction.date_mean, self.prediction.series
        temporal = [name for name in self.wanted if self.models[name].network.is_temporal]
        if temporal and mean.share and mean.window == "past" and series.window == "all":
            raise ValueError(
                f"prediction.series.window: with all, {', '.join(temporal)} sees later images, "
                "which prediction.date_mean.window past leaves out: set past in both"
            )

    def _check_names(self) -> None:
        for key, names in (("model", [self.main]), ("compare", self.compare or ())):
            for name in names:
                if name not in self.models:
                    raise ValueError(
                        f"{key}: {name} is not one of the models ({', '.join(self.models)})"
                    )
        if len(set(self.compared)) != len(self.compared):
            raise ValueError("compare: name every model once")

    def _check_model(self, name: str) -> None:
        row, place = self.models[name], f"models.{name}"
        _require_seeds(f"{place}.seeds", self.seeds_of(name))
        recipe, input_px = self.recipe_of(name), row.network.input_px
        for key, size_px in (
            ("training.target_px", recipe.target_px),
            ("prediction.centre_px", self.prediction.centre_px),
        ):
            if size_px > input_px:
                raise ValueError(
                    f"{key}: {size_px} is larger than {place}.network.input_px {input_px}"
                )
        stride_px = recipe.validation_stride_px
        if stride_px is not None and stride_px > self.prediction.centre_px:
            raise ValueError(
                f"training.validation_stride_px: {stride_px} is larger than "
                f"prediction.centre_px {self.prediction.centre_px}, which would leave gaps"
            )
        least = smallest_batch(self._share_batches(recipe, "training"), recipe.samples_per_epoch)
        if least < row.network.least_batch:
            raise ValueError(
                f"{place}: {row.network.name} normalises over the batch and needs at least "
                f"{row.network.least_batch} crops in each, but training.samples_per_epoch "
                f"{recipe.samples_per_epoch} and training.batch_size {recipe.batch_size} leave "
                f"{least} for a process: change them, in {place}.recipe or for all, or "
                "compute.devices"
            )

    def _share_batches(self, recipe: Recipe, block: str) -> BatchShares:
        return share_batches(
            recipe.batch_size, recipe.accumulate_batches, self.compute.processes, block=block
        )

    @property
    def main(self) -> str:
        """Model behind the result file."""
        return next(iter(self.models)) if self.model is None else self.model

    @property
    def compared(self) -> tuple[str, ...]:
        """Models that are compared."""
        if self.compare is not None:
            return self.compare
        network = self.models[self.main].network
        return tuple(name for name, row in self.models.items() if row.network == network)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Models behind the results, each once."""
        return tuple(dict.fromkeys((self.main, *self.compared)))

    @property
    def _pretrained(self) -> tuple[str, ...]:
        """Models that start from a pretext task."""
        return tuple(name for name, row in self.models.items() if row.weights in TASKS)

    @property
    def pretrained_network(self) -> NetworkSettings | None:
        """The network that the pretext tasks train; None where no model starts from one."""
        return self.models[self._pretrained[0]].network.single_image if self._pretrained else None

    @property
    def pretext_tasks(self) -> tuple[Task, ...]:
        """Pretext tasks that the models behind the results start from."""
        wanted = {self.models[name].weights for name in self.wanted}
        return tuple(task for task in TASKS if task in wanted)

    def seeds_of(self, model: str) -> tuple[int, ...]:
        """Return the seeds of a model's trainings."""
        return self.models[model].seeds or self.seeds

    def recipe_of(self, model: str) -> TrainingConfig:
        """Return the recipe of a model.

        Raises:
            ValueError: a key that the model changes is wrong.
        """
        values = merged(self.training.model_dump(mode="json"), self.models[model].recipe)
        try:
            return TrainingConfig.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(["models", model, "recipe", *map(str, first["loc"])])
            unknown = first["type"] == "extra_forbidden"
            problem = "is not a key of training" if unknown else first["msg"]
            raise ValueError(f"{key}: {problem.removeprefix('Value error, ')}") from error

    def resolved(self) -> dict[str, Any]:
        """Return every key as JSON value, with what the rows leave to the study filled in.

        Each model then has its whole recipe and its seeds, and ``pretraining.network`` says what
        the pretext tasks train.
        """
        plain = self.model_dump(mode="json")
        for name, row in plain["models"].items():
            row["recipe"] = self.recipe_of(name).model_dump(mode="json")
            row["seeds"] = list(self.seeds_of(name))
        network = self.pretrained_network
        pretrained = None if network is None else network.model_dump(mode="json")
        plain["pretraining"]["network"] = pretrained
        return {**plain, "model": self.main, "compare": list(self.compared)}


def _require_seeds(key: str, seeds: tuple[int, ...]) -> None:
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"{key}: need different whole numbers >= 0")
