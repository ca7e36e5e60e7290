"""Learning rate, optimiser, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import nn
from torch.optim.optimizer import Optimizer

from ssl4sar.config.pretext import PretextConfig
from ssl4sar.config.recipe import Recipe
from ssl4sar.config.training import TrainingConfig

_AVERAGE_WARMUP_STEPS: Final = 10
#: A loss counts as better if it is this much lower, relatively (as in torch's scheduler).
_LEAST_GAIN: Final = 1e-4


def learning_rate_at(
    step: int,
    total_steps: int,
    config: TrainingConfig | PretextConfig,
    losses: Sequence[float] = (),
) -> float:
    """Learning rate of optimiser step ``step`` (from 0) of ``total_steps``.

    constant: always the peak. cosine: linear up to the peak in the first ``warmup_fraction`` of
    the steps, then half a cosine towards 0 after the last step. plateau: the peak times a factor
    for every plateau of the validation loss so far.

    Args:
        step: number of the step.
        total_steps: steps of the whole training.
        config: the recipe.
        losses: validation losses so far, in order (plateau only).
    """
    if config.schedule == "plateau":
        falls = plateaus(losses, config.plateau_patience)
        return float(config.learning_rate * config.plateau_factor**falls)
    if config.schedule == "constant":
        return config.learning_rate
    warmup_steps = round(config.warmup_fraction * total_steps)
    if step < warmup_steps:
        return config.learning_rate * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def plateaus(losses: Sequence[float], patience: int) -> int:
    """Count how often a loss has stagnated; each time bad validations count from 0 again.

    The rule of ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with its default threshold, as a
    function of the history, so that a resumed training needs no state of a scheduler.
    """
    best, bad, count = math.inf, 0, 0
    for loss in losses:
        if loss < best * (1 - _LEAST_GAIN):
            best, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            count, bad = count + 1, 0
    return count


def has_stagnated(losses: Sequence[float], patience: int | None) -> bool:
    """Return whether a loss has not reached a new minimum in the last ``patience`` validations.

    Args:
        losses: validation losses in order.
        patience: validations that are waited for; None: for ever.
    """
    if patience is None or len(losses) <= patience:
        return False
    return min(losses[-patience:]) >= min(losses[:-patience])


def build_optimiser(network: nn.Module, config: Recipe) -> Optimizer:
    """Build the optimiser of a network.

    sgd: momentum, weight decay on all parameters, as published. adamw: weight decay on matrices
    and kernels only, not on gains, biases and temperatures (usual for transformers).
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    # Lightning clips gradients in mixed precision only for optimisers in several kernels.
    fused = config.precision != "bf16-mixed" or config.gradient_clip_norm is None
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=fused,
        )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.adam_betas, fused=fused)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, updates: int) -> None:
    """Move averaged weights towards the network's, in place.

    The decay grows as (1 + n) / (10 + n) up to its limit, so that the random start is forgotten.

    Args:
        average: averaged weights a <- d a + (1 - d) w; buffers are copied.
        network: current weights w.
        decay: largest d.
        updates: number n of earlier updates.
    """
    d = min(decay, (1 + updates) / (_AVERAGE_WARMUP_STEPS + updates))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - d)
    copy_buffers(average, network)


@torch.no_grad()
def copy_buffers(average: nn.Module, network: nn.Module) -> None:
    """Give averaged weights the buffers of the network, in place."""
    for averaged, current in zip(average.buffers(), network.buffers(), strict=True):
        averaged.copy_(current)
