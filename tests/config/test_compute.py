"""How the processes of a training share cores and batches."""

from __future__ import annotations

import pytest

from ssl4sar.config.batch_shares import BatchShares, share_batches
from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.loading import study_from
from ssl4sar.core.errors import UserError


@pytest.mark.parametrize(
    ("recipe", "processes", "expected"),
    [
        ((16, 8), 1, BatchShares(16, 8, 1, 1)),
        ((16, 8), 4, BatchShares(16, 2, 4, 1)),  # as published
        ((16, 1), 4, BatchShares(4, 1, 1, 4)),
        ((16, 4), 8, BatchShares(8, 1, 4, 2)),
        ((16, 6), 4, BatchShares(8, 3, 2, 2)),
        ((6, 1), 3, BatchShares(2, 1, 1, 3)),
    ],
)
def test_samples_per_step_stay(
    recipe: tuple[int, int], processes: int, expected: BatchShares
) -> None:
    shares = share_batches(*recipe, processes)
    assert shares == expected
    assert shares.batch_size * shares.accumulate_batches * processes == recipe[0] * recipe[1]
    assert shares.lanes * shares.parts == processes


def test_what_cannot_be_shared_names_the_keys_at_the_start() -> None:
    values = {
        "name": "x",
        "training": {"batch_size": 16, "accumulate_batches": 2},
        "compute": {"devices": 3},
    }
    with pytest.raises(UserError) as caught:
        study_from(values, "my.yaml")
    told = str(caught.value)
    for key in (
        "my.yaml",
        "compute.devices",
        "compute.nodes",
        "3 processes",
        "training.batch_size 16",
        "training.accumulate_batches 2",
    ):
        assert key in told
    assert "\n" not in told


def test_cores_of_a_task_and_of_a_process() -> None:
    one_node = ComputeConfig(devices=4, train_threads=8)
    assert one_node.threads_per_task == 32
    two_nodes = ComputeConfig(devices=4, nodes=2, train_threads=8)
    assert (two_nodes.processes, two_nodes.threads_per_task) == (8, 8)
    for compute, threads, expected in ((one_node, 32, 8), (one_node, 2, 1), (two_nodes, 8, 8)):
        config = {"compute": compute.model_dump(mode="json")}
        assert ComputeConfig.of_training(config, threads).train_threads == expected
        assert ComputeConfig.of_job(config, threads).train_threads == threads
