"""What trainings ask of a machine."""

from __future__ import annotations

import pytest

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.loading import study_from
from ssl4sar.workflow.training_cost import TrainingCost, gpus, placement

LAPTOP = {"embed_dim": 48, "num_heads": [2, 4, 8, 16], "input_px": 256, "window_tokens": 8}


def cost(block: str = "training", network: object = None, **values: object) -> TrainingCost:
    models = {"m": {"network": {"name": "tyrion", **(network or {})}}}
    config = study_from({"name": "x", "models": models, **values}, "x.yaml")
    return TrainingCost(config, config.models["m"].network, getattr(config, block))


@pytest.mark.parametrize("block", ["training", "optsimmim", "opttranslator"])
def test_a_published_training_takes_a_day_a_gpu_and_room_for_its_loaders(block: str) -> None:
    asked = cost(block, compute={"device": "cuda", "devices": 2})
    assert asked.runtime_min == 24 * 60


@pytest.mark.parametrize("source", ["zenodo", "local", "built"])
@pytest.mark.parametrize("devices", [1, 2])
def test_memory_of_a_pretraining_holds_the_store_once_per_node(source: str, devices: int) -> None:
    dataset = {"source": source, "root": None if source == "zenodo" else "/data/pairs"}
    values = {"compute": {"device": "cuda", "devices": devices}, "ssl4sar": dataset}
    assert cost("training", **values).mem_mb == devices * 24_000
    for task in ("optsimmim", "opttranslator"):
        assert cost(task, **values).mem_mb == devices * 24_000 + 20_000


def test_the_store_of_rendered_pairs_is_as_large_as_what_is_rendered() -> None:
    scene = {"glaciers": 3, "train_images": 200, "val_images": 55, "extent_km": 20, "spacing_m": 20}
    batches = {"batch_size": 4, "accumulate_batches": 8}
    processes_mb = cost("training", network=LAPTOP, training=batches).mem_mb
    asked = cost("optsimmim", network=LAPTOP, optsimmim=batches, pair_scene=scene)
    # 255 images of a byte and 3 of 15 per pixel, 1000 px and perhaps a fifth more per side.
    assert asked.mem_mb == processes_mb + 432


def test_memory_on_a_processor_grows_with_the_crops_of_a_step() -> None:
    # 2.3 GB per crop of 512 px for the published width, an eighth of it here.
    four, eight = (cost(network=LAPTOP, training={"batch_size": batch}) for batch in (4, 8))
    assert eight.mem_mb - four.mem_mb == pytest.approx(4 * 2300 / 8, abs=1)


def test_every_image_of_a_series_counts_as_a_crop() -> None:
    recipe = {"batch_size": 4, "epochs": 1, "samples_per_epoch": 50_000}
    temporal = {**LAPTOP, "name": "temporal_tyrion"}
    alone, series = (
        cost(network=temporal, training={**recipe, "series": {"frames": frames}})
        for frames in (1, 3)
    )
    one_by_one = cost(network=LAPTOP, training={**recipe, "series": {"frames": 3}})
    crop_mb = alone.network.crop_memory_mb
    assert series.mem_mb - alone.mem_mb == pytest.approx(2 * 4 * crop_mb, abs=1)
    assert series.runtime_min > alone.runtime_min == one_by_one.runtime_min


def test_every_recipe_has_its_own_time() -> None:
    short = {"epochs": 2, "samples_per_epoch": 100}
    assert cost("optsimmim", optsimmim=short).runtime_min == 120
    assert cost("opttranslator", optsimmim=short).runtime_min == 24 * 60


def test_several_nodes_are_placed_for_srun() -> None:
    compute = {"device": "cuda", "nodes": 2}
    shared = {"nodes": 2, "mpi": "srun", "tasks_per_gpu": 0}
    assert placement(ComputeConfig(**compute)) == {**shared, "tasks": 2}
    four = ComputeConfig(**compute, devices=4)
    assert placement(four) == {**shared, "tasks_per_node": 4}
    assert gpus(four) == 8
    assert (placement(ComputeConfig()), gpus(ComputeConfig(devices=2))) == ({}, 0)
