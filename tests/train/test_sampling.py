"""Draws depend on (seed, epoch, index) alone, are balanced, and follow their distributions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssl4sar.config.training import AugmentationConfig
from ssl4sar.train.loop.sampling import SampleDrawer, SceneShape

SCENES = [
    SceneShape("A", 300, 200),
    SceneShape("A", 90, 400),
    SceneShape("A", 128, 128),
    SceneShape("B", 50, 60),
]
NOTHING = AugmentationConfig(
    rezoom_probability=0,
    ocean_mixup_probability=0,
    speckle_probability=0,
    brightness_probability=0,
    contrast_probability=0,
    gamma_probability=0,
    flip_probability=0,
    rotation_probability=0,
)
ALWAYS = AugmentationConfig(
    rezoom_probability=1,
    ocean_mixup_probability=1,
    speckle_probability=1,
    brightness_probability=1,
    contrast_probability=1,
    gamma_probability=1,
    flip_probability=1,
    rotation_probability=1,
)


def drawer(augmentation=NOTHING, scenes=SCENES, **changes):
    arguments = {
        "input_px": 128,
        "target_px": 64,
        "augmentation": augmentation,
        "sampling": "images",
        "samples_per_epoch": 10,
        "seed": 5,
    } | changes
    return SampleDrawer(scenes, **arguments)


def test_a_draw_is_a_function_of_seed_epoch_and_index():
    one, other = drawer(ALWAYS), drawer(ALWAYS)
    expected = [one.draw(2, i) for i in range(10)]
    assert [other.draw(2, i) for i in reversed(range(10))] == expected[::-1]
    assert drawer(ALWAYS, seed=6).draw(2, 3) != expected[3]
    assert one.draw(3, 3) != expected[3]


def test_without_augmentation_only_the_place_is_drawn():
    draw = drawer().draw(0, 0)
    assert draw.window.height_px == draw.window.width_px == 128
    assert replace(draw, window=None, noise_seed=0) == type(draw)(window=None)


def test_images_are_dealt_equally_over_epochs():
    deck = drawer()
    counts = Counter(deck.image(epoch, i) for epoch in range(6) for i in range(10))
    assert set(counts.values()) == {15}
    # Each round of four holds every image once, also the round that spans two epochs.
    order = [deck.image(epoch, i) for epoch in range(2) for i in range(10)]
    assert all(sorted(order[start : start + 4]) == [0, 1, 2, 3] for start in range(0, 20, 4))
    assert order[:4] != order[4:8] or order[4:8] != order[8:12]


def test_glaciers_are_dealt_equally_and_their_images_too():
    deck = drawer(sampling="glaciers", samples_per_epoch=60)
    counts = Counter(deck.image(0, i) for i in range(60))
    assert counts == {0: 10, 1: 10, 2: 10, 3: 30}


def test_a_change_of_one_probability_leaves_the_other_draws():
    base = drawer(ALWAYS).draw(0, 1)
    quiet = drawer(ALWAYS.model_copy(update={"speckle_probability": 0.0})).draw(0, 1)
    assert quiet == replace(base, speckle_peak=0)


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    index=st.integers(0, 9),
    target_px=st.sampled_from([32, 64, 96, 128]),
)
def test_the_target_is_in_the_image_or_holds_it(height, width, index, target_px):
    deck = drawer(
        ALWAYS.model_copy(update={"rezoom_range": (0.33, 2.83)}),
        [SceneShape("A", height, width)],
        target_px=target_px,
    )
    window = deck.draw(0, index).window
    assert window.height_px == window.width_px
    assert int(128 * 0.33) <= window.height_px <= int(128 * 2.83)
    target = max(window.height_px * target_px // 128, 1)
    margin = (window.height_px - target) // 2
    for start, length in ((window.row + margin, height), (window.column + margin, width)):
        if target <= length:
            assert start >= 0
            assert start + target <= length
        else:
            assert start <= 0
            assert start + target >= length


def test_distributions():
    config = AugmentationConfig(contrast_probability=0.2)
    draws = [drawer(config, samples_per_epoch=4000).draw(0, i) for i in range(4000)]

    def share(condition):
        return np.mean([condition(d) for d in draws])

    close = {"abs": 0.03}
    assert share(lambda d: d.window.height_px != 128) == pytest.approx(0.5, **close)
    assert share(lambda d: d.partner is not None) == pytest.approx(0.3, **close)
    assert share(lambda d: d.speckle_peak > 0) == pytest.approx(0.2, **close)
    for name in ("brightness", "contrast", "gamma"):
        changed = share(lambda d, name=name: getattr(d, name) != 1)
        assert changed == pytest.approx(0.2, **close)
    assert share(lambda d: d.flip_rows) == pytest.approx(0.5, **close)
    assert share(lambda d: d.flip_columns) == pytest.approx(0.5, **close)
    for turns in (1, 2, 3):
        rotated = share(lambda d, turns=turns: d.quarter_turns == turns)
        assert rotated == pytest.approx(1 / 6, **close)
    for peak in (1, 2, 3):
        assert share(lambda d, peak=peak: d.speckle_peak == peak) == pytest.approx(1 / 15, **close)
    zooms = [d.window.height_px / 128 for d in draws if d.window.height_px != 128]
    assert np.mean(zooms) == pytest.approx((0.33 + 2.83) / 2, abs=0.06)
    weights = [d.partner_weight for d in draws if d.partner is not None]
    assert 0.15 <= min(weights) < 0.16
    assert 0.29 < max(weights) <= 0.30
    assert len({d.noise_seed for d in draws}) == 4000


def test_a_share_of_the_windows_is_laid_about_the_front():
    fronts = {0: np.array([[20, 30]]), 1: np.array([[89, 399]]), 2: np.empty((0, 2), int)}
    arguments = {"scenes": SCENES[:3], "samples_per_epoch": 3000}
    arguments["front_pixels"] = fronts.__getitem__
    plain = drawer(ALWAYS, **arguments)
    moved = drawer(ALWAYS, front_crop_probability=0.5, **arguments)
    counts: Counter[int] = Counter()
    for i in range(3000):
        before, draw = plain.draw(0, i), moved.draw(0, i)
        window = draw.window
        assert replace(draw, window=before.window) == before
        assert (window.height_px, window.image) == (before.window.height_px, before.window.image)
        if window == before.window:
            continue
        counts[window.image] += 1
        centre = np.array([window.row, window.column]) + window.height_px // 2
        assert (abs(fronts[window.image][0] - centre) <= window.height_px // 3).all()
    assert counts[2] == 0
    for image in (0, 1):
        assert counts[image] == pytest.approx(500, abs=60)


def test_windows_about_the_front_stay_in_the_image():
    fronts = {0: np.array([[0, 199]]), 1: np.array([[45, 399]])}
    deck = drawer(
        ALWAYS,
        scenes=SCENES[:2],
        target_px=128,
        samples_per_epoch=500,
        front_crop_probability=1.0,
        front_pixels=fronts.__getitem__,
    )
    for window in (deck.draw(0, i).window for i in range(500)):
        scene, pixel = SCENES[window.image], fronts[window.image][0]
        for start, length, at in zip(
            (window.row, window.column), (scene.height_px, scene.width_px), pixel, strict=True
        ):
            side = window.height_px
            assert min(0, length - side) <= start <= max(0, length - side)
            assert start <= at < start + side


def test_a_share_of_the_windows_is_warped_about_the_same_centre():
    plain = drawer(ALWAYS, samples_per_epoch=2000)
    with_warp = ALWAYS.model_copy(update={"warp_probability": 0.5, "warp_stretch": 1.2})
    deck = drawer(with_warp, samples_per_epoch=2000)
    warps = []
    for i in range(2000):
        before, draw = plain.draw(0, i), deck.draw(0, i)
        assert replace(draw, window=before.window, warp=None) == before
        if draw.warp is None:
            assert draw.window == before.window
            continue
        warps.append(draw.warp)
        sides = draw.window.height_px / before.window.height_px
        assert sides == pytest.approx(1.5, abs=1 / before.window.height_px)
        for now, then in ((draw.window.row, before.window.row),):
            middle = now + draw.window.height_px / 2 - then - before.window.height_px / 2
            assert abs(middle) <= 1
    assert len(warps) == pytest.approx(1000, abs=80)
    stretches = np.log([warp.stretch for warp in warps]) / np.log(1.2)
    assert -1 <= stretches.min() < -0.95
    assert 0.95 < stretches.max() <= 1
    angles = np.array([warp.angle_rad for warp in warps])
    assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() > 190
    assert len({warp.seed for warp in warps}) == len(warps)
