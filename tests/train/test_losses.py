"""Losses against an independent NumPy computation and against torch's own functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssl4sar.train.finetune.losses import (
    SegmentationLoss,
    front_loss,
)


def numpy_loss(logits, labels, target_px, smoothing, weights, dice_weight=1.0, centre_weight=0.5):
    """Loops and plain definitions, float64."""
    batch, classes, side, _ = logits.shape
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    start = (side - target_px) // 2

    def half(first, size):
        entropy = weight_sum = 0.0
        overlap, squares = np.zeros(classes), np.zeros(classes)
        for b in range(batch):
            for y in range(first, first + size):
                for x in range(first, first + size):
                    label = labels[b, y, x]
                    target = np.full(classes, smoothing / (classes - 1))
                    target[label] = 1 - smoothing
                    entropy -= weights[label] * (target * np.log(p[b, :, y, x])).sum()
                    weight_sum += weights[label]
                    hot = np.eye(classes)[label]
                    overlap += p[b, :, y, x] * hot
                    squares += p[b, :, y, x] ** 2 + hot**2
        dice = (1 - (2 * overlap + 1e-5) / (squares + 1e-5)).mean()
        return entropy / weight_sum + dice_weight * dice

    centre, window = half(start, target_px), half(0, side)
    return centre_weight * centre + (1 - centre_weight) * window


@pytest.fixture
def example():
    random = np.random.default_rng(3)
    logits = 2 * random.normal(size=(2, 4, 8, 8))
    labels = random.integers(0, 3, size=(2, 8, 8)).astype(np.uint8)  # class 3 is absent
    return logits, labels


@pytest.mark.parametrize("target_px", [4, 8])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (1.0, 4.0, 0.5, 2.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_equals_the_definition(example, target_px, weights, smoothing):
    logits, labels = example
    loss = SegmentationLoss(target_px, smoothing, weights)
    value = loss(torch.tensor(logits, dtype=torch.float32), torch.tensor(labels))
    assert value.item() == pytest.approx(
        numpy_loss(logits, labels, target_px, smoothing, weights), rel=1e-5
    )


def test_term_weights(example):
    logits, labels = example
    loss = SegmentationLoss(4, 0.1, dice_weight=0.3, centre_weight=0.8)
    value = loss(torch.tensor(logits, dtype=torch.float32), torch.tensor(labels))
    expected = numpy_loss(logits, labels, 4, 0.1, (1, 1, 1, 1), dice_weight=0.3, centre_weight=0.8)
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_a_crop_of_weightless_classes_costs_dice_only():
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    logits = torch.randn(1, 4, 4, 4, requires_grad=True)
    value = SegmentationLoss(4, 0.1, (0.0, 1.0, 1.0, 1.0))(logits, labels)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_low_precision_logits_are_summed_in_float32():
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 64, 64).bfloat16()
    labels = torch.randint(0, 4, (1, 64, 64), dtype=torch.uint8)
    loss = SegmentationLoss(32)
    assert loss(logits, labels).dtype == torch.float32
    torch.testing.assert_close(loss(logits, labels), loss(logits.float(), labels))


def test_the_loss_of_the_front_by_its_definition():
    front = torch.tensor([[[1, 0], [0, 0]]], dtype=torch.uint8)
    logits = torch.tensor([[[0.0, 0.0], [1.0, -2.0]]])
    p = logits.sigmoid().double()
    entropy = -(5 * p[0, 0, 0].log() + sum((1 - q).log() for q in (p[0, 0, 1], *p[0, 1]))) / 4
    dice = 1 - 2 * p[0, 0, 0] / (p.square().sum() + 1)
    assert front_loss(logits, front).item() == pytest.approx(float(entropy + dice), abs=1e-5)
    sure = torch.where(front == 1, 50.0, -50.0)
    assert front_loss(sure, front).item() == pytest.approx(0, abs=1e-5)
