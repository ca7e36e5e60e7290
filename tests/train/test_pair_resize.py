"""Resizing equals the reference operations; masks and mirror images follow the pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_pairs import SyntheticPairs
from torch.nn.functional import interpolate

from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import Window
from ssl4sar.train.pretext.pair_crops import PairBatch, PairDataset
from ssl4sar.train.pretext.pair_resize import (
    cubic_taps,
    pairs_on_device,
    resize_cubic,
    resize_valid,
)
from ssl4sar.train.pretext.pair_sampling import PairDraw

# cv2.resize(GREYS, size, interpolation=cv2.INTER_CUBIC), the same with OpenCV 4.11 and 5.0.
GREYS = [[0, 255, 30, 200, 90], [10, 250, 0, 128, 255], [255, 0, 64, 3, 77], [5, 199, 180, 222, 0]]
OPENCV_6_BY_7 = [
    [0, 171, 217, 33, 165, 170, 65],
    [0, 181, 230, 9, 119, 199, 190],
    [38, 165, 169, 5, 50, 171, 255],
    [255, 110, 3, 44, 1, 43, 121],
    [159, 103, 83, 128, 119, 65, 16],
    [0, 121, 233, 190, 254, 142, 0],
]
OPENCV_4_BY_3 = [[93, 30, 134], [99, 0, 222], [171, 64, 50], [67, 180, 72]]


def resized(array, height, width):
    out = torch.empty(1, height, width)
    resize_cubic(torch.tensor(array, dtype=torch.float32)[None], out)
    return out[0]


def reference(array, height, width):
    """Cubic convolution pixel by pixel, in double precision, clipped to bytes."""

    def kernel(x):
        x = abs(x)
        if x <= 1:
            return 1.25 * x**3 - 2.25 * x**2 + 1
        return -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3 if x < 2 else 0.0

    def matrix(new, old):
        weights = np.zeros((new, old))
        for i in range(new):
            centre = (i + 0.5) * old / new - 0.5
            first = int(np.floor(centre)) - 1
            for tap in range(first, first + 4):
                weights[i, min(max(tap, 0), old - 1)] += kernel(centre - tap)
        return weights

    rows, columns = matrix(height, array.shape[0]), matrix(width, array.shape[1])
    return np.clip(rows @ array.astype(float) @ columns.T, 0, 255)


@pytest.mark.parametrize("expected", [OPENCV_6_BY_7, OPENCV_4_BY_3])
def test_values_are_those_of_opencv(expected):
    expected = np.array(expected)
    found = resized(GREYS, *expected.shape).clamp(0, 255).numpy()
    assert np.abs(found - expected).max() < 0.501
    assert np.array_equal(np.rint(found), expected)


@settings(max_examples=60)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    new_height=st.integers(1, 100),
    new_width=st.integers(1, 100),
    seed=st.integers(0, 99),
)
def test_values_are_those_of_the_definition(height, width, new_height, new_width, seed):
    array = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    found = resized(array, new_height, new_width).clamp(0, 255).numpy()
    assert np.abs(found - reference(array, new_height, new_width)).max() < 1e-3


def test_both_devices_do_the_same():
    """On a GPU torch's own kernel does it; here it runs on the CPU."""
    planes = torch.rand(15, 54, 61) * 255
    out = torch.empty(15, 64, 64)
    resize_cubic(planes, out)
    expected = interpolate(planes[None], (64, 64), mode="bicubic", align_corners=False)[0]
    torch.testing.assert_close(out, expected, atol=1e-3, rtol=0)


def test_mixed_precision_leaves_pixels_alone():
    planes = torch.rand(3, 54, 61) * 255
    plain, mixed = torch.empty(2, 3, 64, 64)
    resize_cubic(planes, plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        resize_cubic(planes, mixed)
    assert torch.equal(plain, mixed)


@settings(max_examples=60)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    side=st.integers(1, 48),
    seed=st.integers(0, 99),
)
def test_a_pixel_is_valid_if_all_that_it_is_made_of_is(height, width, side, seed):
    valid = np.random.default_rng(seed).random((height, width)) > 0.05
    found = resize_valid(torch.from_numpy(valid), side)
    rows, columns = (np.zeros((side, length), bool) for length in (height, width))
    for made, length in ((rows, height), (columns, width)):
        pixels, weights = cubic_taps(side, length)
        i, tap = np.nonzero(weights)
        made[i, pixels[i, tap]] = True
    touched = rows.astype(int) @ (~valid).astype(int) @ columns.astype(int).T
    assert np.array_equal(found.numpy(), touched == 0)


def batch_of(*draws, no_data=0.0):
    store = SyntheticPairs(((90, 100), (70, 60)), no_data=no_data)

    class Fixed:
        def draw(self, epoch, index):
            del epoch
            return draws[index]

        def mask(self, epoch, index):
            del epoch, index

    return PairDataset(store, (0, 1), Fixed())[BatchKey(0, tuple(range(len(draws))))]


def test_input_and_target_of_a_batch():
    batch = batch_of(PairDraw(Window(0, 3, 4, 50, 50)), PairDraw(Window(1, -5, 9, 64, 64)))
    sar, optical, valid = pairs_on_device(batch, 64)
    assert (sar.shape, optical.shape, valid.shape) == ((2, 1, 64, 64), (2, 14, 64, 64), sar.shape)
    assert (sar.dtype, optical.dtype, valid.dtype) == (torch.float32, torch.float32, torch.bool)
    assert bool(valid.all())
    for number, pair in enumerate(batch.pairs()):
        expected = reference(pair.sar.numpy(), 64, 64) / 255
        assert np.abs(sar[number, 0].numpy() - expected).max() < 1e-5
        for channel in range(14):
            expected = reference(pair.optical[..., channel].numpy(), 64, 64) / 255
            assert np.abs(optical[number, channel].numpy() - expected).max() < 1e-5
    assert torch.equal(sar[1, 0], batch.pairs()[1].sar.float() / 255)
    assert 0 <= float(optical.min()) <= float(optical.max()) <= 1


@pytest.mark.parametrize(("columns", "rows"), [(True, False), (False, True)])
def test_everything_is_mirrored_alike(columns, rows):
    window = Window(0, 3, 4, 50, 50)
    plain = pairs_on_device(batch_of(PairDraw(window), no_data=0.01), 64)
    draw = PairDraw(window, flip_columns=columns, flip_rows=rows)
    mirrored = pairs_on_device(batch_of(draw, no_data=0.01), 64)
    assert 0 < float(plain.valid.float().mean()) < 1
    for one, other in zip(plain, mirrored, strict=True):
        assert torch.equal(one.flip(-1 if columns else -2), other)
        assert not torch.equal(one, other)


def test_a_sample_does_not_depend_on_its_batch():
    draws = [PairDraw(Window(i % 2, 3 * i, 4, 40 + i, 40 + i), i % 3 == 0) for i in range(4)]
    together = pairs_on_device(batch_of(*draws, no_data=0.01), 64)
    for number, draw in enumerate(draws):
        alone = pairs_on_device(batch_of(draw, no_data=0.01), 64)
        for all_of_them, one in zip(together, alone, strict=True):
            assert torch.equal(all_of_them[number], one[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same() -> None:
    batch: PairBatch = batch_of(
        PairDraw(Window(0, 3, 4, 50, 50)), PairDraw(Window(1, -5, 9, 64, 64), True), no_data=0.01
    )
    there = pairs_on_device(batch.to("cuda"), 64)
    for here, other in zip(pairs_on_device(batch, 64), there, strict=True):
        torch.testing.assert_close(here.float(), other.cpu().float(), atol=1e-5, rtol=0)
