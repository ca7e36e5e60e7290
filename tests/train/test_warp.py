"""Warped crops: known rotations and stretches, equal for image, labels and front."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ssl4sar.config.training import AugmentationConfig
from ssl4sar.train.finetune.augment import augment_batch
from ssl4sar.train.finetune.crops import CropBatch
from ssl4sar.train.finetune.warp import sampling_grid, warped
from ssl4sar.train.loop.sampling import REACH, SampleDraw, Warp, Window

CPU = torch.device("cpu")
S = 32
R = round(S * REACH)


def ramps():
    """Rows and columns of each pixel of a crop, from its centre."""
    centred = torch.arange(R) + 0.5 - R / 2
    return centred[:, None].expand(R, R), centred[None, :].expand(R, R)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_those_of_numpy(turns):
    image = torch.from_numpy(np.random.default_rng(0).random((R, R)).astype(np.float32))
    grid = sampling_grid(Warp(turns * math.pi / 2, 1.0, 0.0, 0), S, CPU)
    margin = (R - S) // 2
    middle = image[margin : margin + S, margin : margin + S]
    expected = torch.rot90(middle, turns)
    assert torch.allclose(warped(image, grid, "bilinear"), expected, atol=1e-5)


def test_stretch_and_angle_by_their_formula():
    warp = Warp(0.3, 1.2, 0.0, 0)
    grid = sampling_grid(warp, S, CPU)
    row, column = (warped(ramp, grid, "bilinear") for ramp in ramps())
    lines = (torch.arange(S) + 0.5) - S / 2
    down, right = 1.2 * lines[:, None], lines[None, :] / 1.2
    inside = slice(6, -6)
    expected_row = math.sin(0.3) * right + math.cos(0.3) * down
    expected_column = math.cos(0.3) * right - math.sin(0.3) * down
    assert torch.allclose(row[inside, inside], expected_row[inside, inside], atol=1e-3)
    assert torch.allclose(column[inside, inside], expected_column[inside, inside], atol=1e-3)


def test_bends_have_the_stated_size_and_their_seed():
    rows, _ = ramps()
    plain = warped(rows, sampling_grid(Warp(0.0, 1.0, 0.0, 0), S, CPU), "bilinear")
    shifts = [
        (warped(rows, sampling_grid(Warp(0.0, 1.0, 0.05, seed), S, CPU), "bilinear") - plain) / S
        for seed in range(60)
    ]
    corners = torch.stack([shift[0, 0] for shift in shifts])
    assert 0.03 < corners.std() < 0.08
    again = sampling_grid(Warp(0.0, 1.0, 0.05, 3), S, CPU)
    assert torch.equal(again, sampling_grid(Warp(0.0, 1.0, 0.05, 3), S, CPU))
    assert not torch.equal(again, sampling_grid(Warp(0.0, 1.0, 0.05, 4), S, CPU))


def test_labels_and_front_follow_the_image():
    random = np.random.default_rng(1)
    coarse = random.integers(0, 4, (6, 6))
    labels = np.kron(coarse, np.ones((8, 8), int)).astype(np.uint8)
    front = (labels == 3).astype(np.uint8)
    pixels = torch.from_numpy(np.concatenate([labels * 60, labels, front]).ravel())
    draw = SampleDraw(Window(0, 0, 0, 48, 48), warp=Warp(0.7, 1.1, 0.03, 5), flip_rows=True)
    batch = CropBatch(pixels, (draw,), with_fronts=True)
    images, classes, fronts = augment_batch(batch, S, AugmentationConfig())
    assert torch.equal(fronts, (classes == 3).to(torch.uint8))
    agree = ((images[:, 0] * 255 / 60).round() == classes).float().mean()
    assert agree > 0.75  # all but the pixels between two zones
    plain = augment_batch(
        replace(batch, draws=(replace(draw, warp=None),)), S, AugmentationConfig()
    )
    assert not torch.equal(plain.labels, classes)
