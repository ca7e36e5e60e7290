"""Schedule, optimiser groups and averaged weights."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ssl4sar.config.pretext import OptTranslatorConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.train.loop.optimisation import (
    build_optimiser,
    has_stagnated,
    learning_rate_at,
    plateaus,
    update_average,
)


def test_cosine_rate_warms_up_and_falls_to_zero():
    config = TrainingConfig(learning_rate=2.0, schedule="cosine", warmup_fraction=0.1)
    rates = [learning_rate_at(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(1 + math.cos(math.pi * 89 / 90))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert learning_rate_at(100, 100, config) == 0
    alone = TrainingConfig(learning_rate=2.0, schedule="cosine", warmup_fraction=0)
    assert learning_rate_at(0, 1, alone) == 2.0


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.BatchNorm2d(4))


def test_sgd_decays_every_parameter(network):
    optimiser = build_optimiser(network, TrainingConfig(weight_decay=0.3, momentum=0.7))
    assert isinstance(optimiser, torch.optim.SGD)
    (group,) = optimiser.param_groups
    assert (group["weight_decay"], group["momentum"]) == (0.3, 0.7)
    assert len(group["params"]) == len(list(network.parameters()))


def test_adamw_spares_gains_and_biases(network):
    config = TrainingConfig(optimiser="adamw", weight_decay=0.3, adam_betas=(0.8, 0.9))
    decayed, spared = build_optimiser(network, config).param_groups
    assert decayed["weight_decay"] == 0.3
    assert decayed["betas"] == (0.8, 0.9)
    assert spared["weight_decay"] == 0
    assert [p.ndim for p in decayed["params"]] == [4]
    assert len(spared["params"]) == 5


@pytest.mark.parametrize(
    ("precision", "fused"), [("32-true", True), ("tf32", True), ("bf16-mixed", False)]
)
def test_clipping_in_mixed_precision_needs_an_unfused_optimiser(network, precision, fused):
    config = TrainingConfig(precision=precision, gradient_clip_norm=1.0)
    assert build_optimiser(network, config).defaults["fused"] is fused


def test_average_follows_its_formula():
    average, network = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.constant_(average.weight, 1.0)
    nn.init.constant_(network.weight, 2.0)
    with torch.no_grad():
        update_average(average, network, decay=0.9, updates=0)
        assert average.weight.item() == pytest.approx(1 + 0.9)  # d = 1 / 10
        nn.init.constant_(average.weight, 1.0)
        update_average(average, network, decay=0.9, updates=10_000)
        assert average.weight.item() == pytest.approx(1 + 0.1)


def test_average_copies_buffers(network):
    average = deepcopy(network)
    network[2].running_mean.fill_(5.0)
    update_average(average, network, decay=0.5, updates=100)
    assert average[2].running_mean.tolist() == [5.0] * 4


@given(
    st.lists(st.floats(0.01, 2.0).map(lambda loss: round(loss, 3)), max_size=40),
    st.integers(0, 6),
)
def test_plateaus_are_those_of_torch(losses, patience):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=patience, eps=0
    )
    for loss in losses:
        scheduler.step(loss)
    assert optimiser.param_groups[0]["lr"] == 0.5 ** plateaus(losses, patience)


def test_a_gain_below_the_threshold_is_none():
    assert plateaus([1.0, 0.99995], 0) == 1
    assert plateaus([1.0, 0.9998], 0) == 0


def test_rate_falls_at_each_plateau():
    config = OptTranslatorConfig(learning_rate=0.4, plateau_patience=1, plateau_factor=0.1)
    rates = [learning_rate_at(7, 100, config, [1.0] * n) for n in range(6)]
    assert rates == pytest.approx([0.4, 0.4, 0.4, 0.04, 0.04, 0.004])


def test_stagnation_needs_a_full_wait_without_a_new_minimum():
    assert not has_stagnated([1.0, 1.0, 1.0], None)
    assert not has_stagnated([1.0, 1.0], 2)
    assert has_stagnated([1.0, 1.0, 1.0], 2)
    assert not has_stagnated([1.0, 1.0, 0.9], 2)
    assert has_stagnated([1.0, 0.9, 0.95, 0.9], 2)
