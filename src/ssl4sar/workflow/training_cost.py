"""What one training asks of a machine: GPUs, placement, memory, time."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from ssl4sar.config.batch_shares import share_batches
from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.networks import NetworkSettings
from ssl4sar.config.pretext import PretextConfig
from ssl4sar.config.recipe import Recipe
from ssl4sar.config.study import StudyConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.pair_layout import CHANNELS

# Memory of the HOST and time of one training. On a CPU the crops of the backward pass are in
# it: see the settings of the networks. With
# a GPU it holds the libraries and the loaders. Pages of a mapped store count in a job of SLURM that
# confines memory, also on a node that has plenty: of the pairs, which are drawn at random from all
# of the store, all have to fit, once per node. The time of the published recipe is arithmetic
# (2.9e18 FLOP for fine-tuning); a training that meets its limit resumes after its last epoch in
# the next attempt.
_BASE_MEM_MB: Final = 4000
_GPU_HOST_MEM_MB: Final = 24_000
#: Store of the published pairs: 9,562 images of 2,052,490 pixels of a byte, 14 optical ones of 15.
#: A folder of the user is taken to be as large.
_PUBLISHED_PAIRS_MB: Final = 20_000
#: Rendered areas differ by up to a fifth in height and width.
_LARGEST_AREA: Final = 1.2**2
_LAPTOP_RUNTIME_MIN: Final = 120
_PAPER_RUNTIME_MIN: Final = 24 * 60
_LAPTOP_PIXELS: Final = 50_000 * 256**2


def gpus(compute: ComputeConfig) -> int:
    """Return the GPUs of a training, all nodes together."""
    return compute.processes if compute.device == "cuda" else 0


def placement(compute: ComputeConfig) -> dict[str, Any]:
    """Return the resources that place a training on several nodes; none for one node.

    With ``mpi`` the SLURM plugin starts the job without a step of one task around it, so that the
    job can start a step on all its nodes. ``tasks_per_gpu`` 0 keeps the plugin from counting tasks
    by GPU.
    """
    if compute.nodes == 1:
        return {}
    # The plugin accepts more than one task per node only.
    tasks = {"tasks": compute.nodes}
    if compute.devices > 1:
        tasks = {"tasks_per_node": compute.devices}
    return {"nodes": compute.nodes, "mpi": "srun", "tasks_per_gpu": 0, **tasks}


@dataclass(frozen=True)
class TrainingCost:
    """What a training asks for, on its first attempt."""

    config: StudyConfig
    network: NetworkSettings
    recipe: Recipe

    @property
    def mem_mb(self) -> int:
        """Memory on each node, MB: that of the processes, and for a pretraining the store."""
        store_mb = self._pair_store_mb if isinstance(self.recipe, PretextConfig) else 0
        return self._process_mem_mb * self.config.compute.devices + store_mb

    @property
    def _process_mem_mb(self) -> int:
        recipe, compute = self.recipe, self.config.compute
        if gpus(compute):
            return _GPU_HOST_MEM_MB
        batch, *_ = share_batches(recipe.batch_size, recipe.accumulate_batches, compute.processes)
        return int(_BASE_MEM_MB + self.network.crop_memory_mb * batch * self._images_per_sample)

    @property
    def _images_per_sample(self) -> int:
        if self.network.is_temporal and isinstance(self.recipe, TrainingConfig):
            return self.recipe.series.frames
        return 1

    @property
    def _pair_store_mb(self) -> int:
        """Size of the store of pairs as far as it is known before there is one."""
        scene, source = self.config.pair_scene, self.config.ssl4sar.source
        if source == "synthetic":
            spacing_m: float = scene.spacing_m
        elif source == "sentinel" and self.config.sentinel.provider == "synthetic":
            spacing_m = self.config.stack.spacing_m
        else:
            return _PUBLISHED_PAIRS_MB
        pixels = _LARGEST_AREA * (1000 * scene.extent_km / spacing_m) ** 2
        images = scene.train_images + scene.val_images
        return ceil(pixels * (images + scene.glaciers * (len(CHANNELS) + 1)) / 1e6)

    @property
    def runtime_min(self) -> int:
        """Run time limit, minutes."""
        recipe = self.recipe
        images = recipe.epochs * recipe.samples_per_epoch * self._images_per_sample
        size = images * self.network.input_px**2
        return _LAPTOP_RUNTIME_MIN if size <= _LAPTOP_PIXELS else _PAPER_RUNTIME_MIN
