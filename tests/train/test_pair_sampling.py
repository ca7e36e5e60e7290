"""Samples of a pretraining: keyed, balanced, within the padded image, of the right sizes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.core.seeding import generator
from ssl4sar.models.token_mask import draw_token_mask
from ssl4sar.train.pretext.pair_sampling import PairSampleDrawer, padding

SIZES = [(300, 200), (90, 400), (128, 128), (50, 60)]


def drawer(sizes=SIZES, input_px=128, seed=5, **changes):
    config = OptTranslatorConfig(**({"samples_per_epoch": 10} | changes))
    return PairSampleDrawer(sizes, input_px=input_px, config=config, seed=seed)


def test_a_draw_is_a_function_of_seed_epoch_and_index():
    expected = [drawer().draw(2, i) for i in range(10)]
    assert [drawer().draw(2, i) for i in reversed(range(10))] == expected[::-1]
    assert drawer(seed=6).draw(2, 3) != expected[3]
    assert drawer().draw(3, 3) != expected[3]


def test_images_are_dealt_equally_over_epochs():
    counts = Counter(drawer().draw(epoch, i).window.image for epoch in range(6) for i in range(10))
    assert counts == dict.fromkeys(range(4), 15)


@given(length=st.integers(1, 5000), step=st.sampled_from([32, 64, 256, 512]))
def test_margins_are_one_to_two_steps_and_balanced(length, step):
    padded, before = padding(length, step)
    assert padded % step == 0
    assert step < padded - length <= 2 * step
    assert padded >= 2 * step
    assert abs((padded - length - before) - before) <= 1


def test_published_margins():
    assert padding(1433, 512) == (2048, 308)
    assert padding(512, 512) == (1536, 512)
    assert padding(511, 512) == (1024, 256)
    assert padding(1300, 256) == (1792, 246)


@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    index=st.integers(0, 9),
    seed=st.integers(0, 99),
    min_scale=st.floats(0.1, 1),
)
def test_windows_are_squares_within_the_padded_image(height, width, index, seed, min_scale):
    deck = drawer([(height, width)], seed=seed, min_scale=min_scale)
    window = deck.draw(0, index).window
    assert window.height_px == window.width_px
    assert int(128 * min_scale) <= window.height_px <= 128
    for start, length in ((window.row, height), (window.column, width)):
        padded, before = padding(length, 128)
        assert -before <= start
        assert start + window.height_px <= padded - before


def test_windows_reach_everywhere_and_equally():
    deck = drawer([(40, 60)], input_px=32 * 2, min_scale=1, samples_per_epoch=8000)
    windows = [deck.draw(0, i).window for i in range(8000)]
    # 40 px are padded to 128 with 44 above, so windows of 64 start at -44 to 20.
    rows = Counter(window.row for window in windows)
    assert set(rows) == set(range(-44, 21))
    expected = 8000 / 65
    assert max(abs(count - expected) for count in rows.values()) < 5 * np.sqrt(expected)
    assert min(w.column for w in windows) == -34
    assert max(w.column for w in windows) == 30
    both = np.corrcoef([w.row for w in windows], [w.column for w in windows])[0, 1]
    assert abs(both) < 0.06


def test_flips_are_left_right_or_as_in_the_original():
    plain, legacy = (
        [drawer(samples_per_epoch=1000, legacy_vertical_flip=old).draw(0, i) for i in range(1000)]
        for old in (False, True)
    )
    assert np.mean([draw.flip_columns for draw in plain]) == pytest.approx(0.5, abs=0.06)
    assert not any(draw.flip_rows for draw in plain)
    swapped = [
        replace(draw, flip_columns=draw.flip_rows, flip_rows=draw.flip_columns) for draw in legacy
    ]
    assert swapped == plain


def test_a_change_of_one_key_leaves_the_other_draws():
    base = drawer().draw(0, 1)
    never = drawer(flip_probability=0.0).draw(0, 1)
    assert never == replace(base, flip_columns=False)


def test_masks_depend_on_seed_epoch_and_sample_alone():
    def mask(epoch, index, seed=3, **changes):
        config = OptSimMIMConfig(**changes)
        return PairSampleDrawer([(70, 90)], input_px=64, config=config, seed=seed).mask(
            epoch, index
        )

    expected = draw_token_mask(generator(3, "token mask", 2, 5), 256, 0.3)
    np.testing.assert_array_equal(mask(2, 5), expected)
    np.testing.assert_array_equal(mask(2, 5, min_scale=0.9, flip_probability=0.1), expected)
    for other in (mask(2, 6), mask(1, 5), mask(2, 5, seed=4), mask(2, 5, mask_ratio=0.5)):
        assert not np.array_equal(other, expected)


def test_the_translator_is_not_masked():
    config = OptTranslatorConfig()
    assert PairSampleDrawer([(70, 90)], input_px=64, config=config, seed=3).mask(0, 0) is None
