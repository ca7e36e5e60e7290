"""How many tokens are masked, which ones, and the order of the values in a token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.models.token_mask import (
    draw_token_mask,
    masked_token_count,
    masked_tokens,
    token_count,
    token_patches,
)


def test_the_published_counts():
    assert token_count(512) == 16_384
    assert masked_token_count(16_384, 0.3) == 4_915
    masked = draw_token_mask(np.random.default_rng(0), 16_384, 0.3)
    assert (int(masked.sum()), int((~masked).sum())) == (4_915, 11_469)
    assert not masked[0]


@given(side=st.integers(1, 40), ratio=st.floats(0, 1), seed=st.integers(0, 999))
def test_every_mask_has_its_count_and_spares_the_first_token(side, ratio, seed):
    tokens = side**2
    masked = draw_token_mask(np.random.default_rng(seed), tokens, ratio)
    assert masked.shape == (tokens,)
    assert masked.dtype == np.bool_
    assert not masked[0]
    assert masked.sum() == masked_token_count(tokens, ratio) <= tokens - 1
    # Kept is rounded down, so at least the ratio of the other tokens is masked.
    assert -1e-9 < masked.sum() - ratio * (tokens - 1) < 1 + 1e-9


def test_all_tokens_but_the_first_are_masked_equally_often():
    random = np.random.default_rng(1)
    counts = sum(draw_token_mask(random, 64, 0.3).astype(int) for _ in range(4000))
    share = masked_token_count(64, 0.3) / 63
    assert counts[0] == 0
    # Five standard deviations of a binomial count.
    spread = 5 * np.sqrt(4000 * share * (1 - share))
    assert np.abs(counts[1:] - 4000 * share).max() < spread


def test_numbers_of_masked_tokens():
    masks = np.array([[False, True, False, True], [False, False, True, True]])
    numbers = masked_tokens(list(masks))
    assert numbers.tolist() == [[1, 3], [2, 3]]
    assert numbers.dtype == torch.int32


@pytest.mark.parametrize("rows", [[[0, 1, 1], [0, 1, 0]], [[0, 1, 1], [0, 0, 0]]])
def test_unequal_numbers_of_masked_tokens_are_refused(rows):
    with pytest.raises(ValueError, match="equally many masked tokens"):
        masked_tokens(list(np.array(rows, bool)))


def test_values_of_a_token_are_ordered_by_row_column_and_channel():
    # Each value tells where it comes from: channel * 10000 + row * 100 + column.
    channels, rows, columns = torch.meshgrid(
        torch.arange(14), torch.arange(8), torch.arange(12), indexing="ij"
    )
    image = (channels * 10_000 + rows * 100 + columns)[None].float()
    patches = token_patches(image)
    assert patches.shape == (1, 6, 224)
    # The fifth token is the middle one of the second row: rows 4-7, columns 4-7.
    expected = [
        channel * 10_000 + row * 100 + column
        for row in range(4, 8)
        for column in range(4, 8)
        for channel in range(14)
    ]
    assert patches[0, 4].tolist() == expected
