"""Augmentation: labels follow images, nothing is invented, equal draws give equal pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ssl4sar.config.training import AugmentationConfig
from ssl4sar.core.zones import OCEAN
from ssl4sar.train.finetune.augment import (
    apply_gamma,
    augment_batch,
    resize_image,
    resize_labels,
    scale_brightness,
    scale_contrast,
    speckle,
)
from ssl4sar.train.finetune.crops import CropBatch
from ssl4sar.train.loop.sampling import SampleDraw, Window

S = 16
CONFIG = AugmentationConfig()


def batch_of(*samples):
    """Build a batch from (image, labels, draw, partner or None); windows take the array sizes."""
    pixels, draws = [], []
    for image, labels, draw, partner in samples:
        parts = [image, labels] + ([] if partner is None else [partner])
        pixels += [np.asarray(part, np.uint8).ravel() for part in parts]
        draws.append(
            replace(
                draw,
                window=Window(0, 0, 0, *image.shape),
                partner=None if partner is None else Window(0, 0, 0, *partner.shape),
            )
        )
    return CropBatch(torch.from_numpy(np.concatenate(pixels)), tuple(draws))


def random_sample(seed, side=S):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (side, side)).astype(np.uint8)
    return image, random.integers(0, 4, (side, side)).astype(np.uint8)


PLAIN = SampleDraw(window=Window(0, 0, 0, S, S))


def test_nothing_drawn_changes_nothing():
    image, labels = random_sample(0)
    images, out, _ = augment_batch(batch_of((image, labels, PLAIN, None)), S, CONFIG)
    assert images.shape == (1, 1, S, S)
    assert images.dtype == torch.float32
    assert out.dtype == torch.uint8
    assert torch.equal(images[0, 0], torch.from_numpy(image).float() / 255)
    assert torch.equal(out[0], torch.from_numpy(labels))


@pytest.mark.parametrize("flip_columns", [False, True])
@pytest.mark.parametrize("flip_rows", [False, True])
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_labels_follow_the_image(flip_columns, flip_rows, quarter_turns):
    _, labels = random_sample(1)
    draw = replace(
        PLAIN, flip_columns=flip_columns, flip_rows=flip_rows, quarter_turns=quarter_turns
    )
    images, out, _ = augment_batch(batch_of((labels * 60, labels, draw, None)), S, CONFIG)
    assert torch.equal((images[0, 0] * 255).round().to(torch.uint8), out[0] * 60)
    expected = labels[:, ::-1] if flip_columns else labels
    expected = expected[::-1] if flip_rows else expected
    assert np.array_equal(out[0].numpy(), np.rot90(expected, quarter_turns))


@pytest.mark.parametrize("side", [7, 24, 33, 45])
def test_resized_labels_follow_the_resized_image(side):
    """A step edge lands in the same place in both, to half a pixel."""
    image, labels = np.zeros((2, side, side), np.uint8)
    edge = side // 3
    image[:, edge:], labels[:, edge:] = 255, OCEAN
    images, out, _ = augment_batch(batch_of((image, labels, PLAIN, None)), S, CONFIG)
    agrees = (images[0, 0] > 0.5) == (out[0] == OCEAN)
    tie = (images[0, 0] - 0.5).abs() < 1e-3
    assert bool((agrees | tie).all())


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 50), width=st.integers(1, 50), side=st.integers(1, 40), data=st.data())
def test_nearest_labels_are_never_invented(height, width, side, data):
    classes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    labels = random.choice(classes, (height, width)).astype(np.uint8)
    out = resize_labels(torch.from_numpy(labels), side)
    assert out.shape == (side, side)
    assert out.dtype == torch.uint8
    assert set(np.unique(out)) <= set(classes)


def test_nearest_takes_the_pixel_under_the_centre():
    labels = torch.arange(6, dtype=torch.uint8).repeat(6, 1)
    assert resize_labels(labels, 2)[0].tolist() == [1, 4]
    assert resize_labels(labels, 12)[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    expected = torch.nn.functional.interpolate(
        labels[None, None].float(), (4, 4), mode="nearest-exact"
    )
    assert torch.equal(resize_labels(labels, 4).float(), expected[0, 0])


def test_legacy_masks_invent_classes_between_na_and_ocean():
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 4:] = OCEAN
    sample = batch_of((labels, labels, PLAIN, None))
    _, ours, _ = augment_batch(sample, S, CONFIG)
    _, legacy, _ = augment_batch(sample, S, AugmentationConfig(legacy_bilinear_masks=True))
    assert set(ours.unique().tolist()) == {0, 3}
    assert set(legacy.unique().tolist()) > {0, 3}


def test_shrinking_filters_unless_legacy():
    """A chequerboard turns grey when it shrinks; without antialiasing it aliases."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    board[:, 1::3] = 0
    ours = resize_image(torch.from_numpy(board), 16)
    legacy = resize_image(torch.from_numpy(board), 16, antialias=False)
    assert ours.std() < 0.6 * legacy.std()
    assert ours.mean() == pytest.approx(board.mean() / 255, abs=0.02)
    small = torch.from_numpy(board[:8, :8].copy())
    assert torch.equal(resize_image(small, 16), resize_image(small, 16, antialias=False))


def test_ocean_mixup_touches_the_ocean_only():
    image, labels = random_sample(3)
    partner, _ = random_sample(4)
    draw = replace(PLAIN, partner_weight=0.25)
    images, out, _ = augment_batch(batch_of((image, labels, draw, partner)), S, CONFIG)
    a, b = image / 255, partner / 255
    expected = np.where(labels == OCEAN, (a + 0.25 * b) / 1.25, a)
    np.testing.assert_allclose(images[0, 0], expected, atol=1e-6)
    assert np.array_equal(out[0], labels)


def test_photometric_formulas():
    images = torch.tensor([[[0.2, 0.4], [0.6, 0.8]]])
    assert scale_brightness(images, torch.tensor([1.5])).flatten().tolist() == pytest.approx(
        [0.3, 0.6, 0.9, 1.0]
    )
    assert scale_contrast(images, torch.tensor([2.0])).flatten().tolist() == pytest.approx(
        [0.0, 0.3, 0.7, 1.0]
    )
    assert apply_gamma(images, torch.tensor([2.0])).flatten().tolist() == pytest.approx(
        [0.04, 0.16, 0.36, 0.64]
    )


def test_speckle_has_the_stated_distribution():
    source = torch.Generator().manual_seed(1)
    noise = speckle((400, 400), 2, source, torch.device("cpu"))
    assert noise.max() == pytest.approx(1.0)
    # U (k - Poisson(k)): mean 0, variance k / 3; values below -k cannot occur.
    scale = 1 / noise.min().abs() * 2
    assert noise.mean().abs() < 0.005
    assert float((noise * scale).var()) == pytest.approx(2 / 3, rel=0.1)


def test_speckle_without_a_positive_value_is_no_division_by_zero():
    for seed in range(20):
        noise = speckle((1,), 1, torch.Generator().manual_seed(seed), torch.device("cpu"))
        assert torch.isfinite(noise).all()


def test_a_sample_does_not_depend_on_its_batch():
    draws = [
        replace(PLAIN, speckle_peak=2, noise_seed=7, contrast=1.3, quarter_turns=1),
        replace(PLAIN, brightness=0.7, gamma=1.2, flip_rows=True),
        replace(PLAIN, speckle_peak=1, noise_seed=8, partner_weight=0.2),
    ]
    partners = [None, None, random_sample(9, 20)[0]]
    samples = [
        (*random_sample(i, side), draw, partner)
        for i, (side, draw, partner) in enumerate(zip((S, 30, 11), draws, partners, strict=True))
    ]
    together = augment_batch(batch_of(*samples), S, CONFIG)
    for order in ([0], [1], [2], [2, 0], [1, 2, 0]):
        images, labels, _ = augment_batch(batch_of(*(samples[i] for i in order)), S, CONFIG)
        assert torch.equal(images, together[0][order])
        assert torch.equal(labels, together[1][order])


def test_the_global_random_state_is_neither_used_nor_changed():
    image, labels = random_sample(5)
    sample = batch_of((image, labels, replace(PLAIN, speckle_peak=3, noise_seed=1), None))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, _, _ = augment_batch(sample, S, CONFIG)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    second, _, _ = augment_batch(sample, S, CONFIG)
    assert torch.equal(first, second)


def test_the_raw_crops_are_not_changed():
    image, labels = random_sample(6)
    sample = batch_of((image, labels, replace(PLAIN, brightness=0.5, flip_rows=True), None))
    before = sample.pixels.clone()
    augment_batch(sample, S, CONFIG)
    assert torch.equal(sample.pixels, before)


def test_the_front_is_widened_and_follows_the_image():
    image, labels = random_sample(8, 40)
    front = np.zeros((40, 40), np.uint8)
    front[np.arange(40), np.arange(40)] = 1
    draw = replace(PLAIN, window=Window(0, 0, 0, 40, 40), flip_rows=True, quarter_turns=1)
    pixels = torch.from_numpy(np.concatenate([image, labels, front]).ravel())
    batch = CropBatch(pixels, (draw,), with_fronts=True)
    fronts = augment_batch(batch, 40, CONFIG, 2).fronts
    wide = ndimage.binary_dilation(front, np.ones((5, 5)))
    assert np.array_equal(fronts[0], np.rot90(wide[::-1]))
    # A band of three pixels has no gaps in a third of the size.
    small = augment_batch(replace(batch, draws=(replace(draw, flip_rows=False),)), 14, CONFIG, 1)
    assert ndimage.label(small.fronts[0], np.ones((3, 3)))[1] == 1
    assert augment_batch(batch_of((image, labels, draw, None)), 40, CONFIG).fronts is None
