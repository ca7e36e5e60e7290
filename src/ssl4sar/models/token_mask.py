"""Which tokens of the SAR image OptSimMIM hides: how many, and a random choice of them.

Source: the published code of SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945), whose
masking routine spares the first token as if it were a class token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Side of a token: the encoder cuts the image into squares of this side, pixels.
TOKEN_PX: Final = 4


def token_count(input_px: int) -> int:
    """Return the tokens of an image: squares of 4x4 px, row by row.

    Args:
        input_px: side of the image, pixels, a multiple of 4.
    """
    return (input_px // TOKEN_PX) ** 2


def masked_token_count(tokens: int, ratio: float) -> int:
    """Return how many tokens are masked.

    Token 0 is never masked, so that ``tokens - ratio (tokens - 1)`` stay visible, rounded down: of
    the 16,384 tokens of a 512 px image with ratio 0.3, 11,469 are visible and 4,915 masked.

    Args:
        tokens: tokens of the image, at least 1.
        ratio: share of the tokens to mask, 0-1.
    """
    return tokens - int(tokens - ratio * (tokens - 1))


def draw_token_mask(random: np.random.Generator, tokens: int, ratio: float) -> NDArray[np.bool_]:
    """Draw a mask: every choice of that many tokens other than token 0 is equally likely.

    Args:
        random: source of randomness.
        tokens: tokens of the image, at least 1.
        ratio: share of the tokens to mask, 0-1.

    Returns:
        (tokens,) bool, True where the token is masked; row by row from the top left.
    """
    masked = np.zeros(tokens, np.bool_)
    count = masked_token_count(tokens, ratio)
    if count:
        masked[1 + random.choice(tokens - 1, count, replace=False, shuffle=False)] = True
    return masked


def masked_tokens(masks: Sequence[NDArray[np.bool_]]) -> Tensor:
    """Return the numbers of the masked tokens of each image, in ascending order.

    Args:
        masks: (tokens,) bool of each image, with equally many True.

    Returns:
        (B, M) int32 on the CPU.

    Raises:
        ValueError: images mask different numbers of tokens.
    """
    counts = [int(mask.sum()) for mask in masks]
    if len(set(counts)) != 1:
        raise ValueError(f"every image needs equally many masked tokens, not {counts}")
    numbers = np.stack([np.flatnonzero(mask) for mask in masks])
    return torch.from_numpy(numbers.astype(np.int32))


def token_patches(image: Tensor) -> Tensor:
    """Cut images into tokens.

    Args:
        image: (B, C, S, S), S a multiple of 4.

    Returns:
        (B, (S/4)^2, 4 * 4 * C): tokens row by row; values of a token by row, column, channel.
    """
    batch, channels, height, width = image.shape
    grid = (height // TOKEN_PX, TOKEN_PX, width // TOKEN_PX, TOKEN_PX)
    cells = image.reshape(batch, channels, *grid).permute(0, 2, 4, 3, 5, 1)
    return cells.reshape(batch, grid[0] * grid[2], TOKEN_PX * TOKEN_PX * channels)


def assemble_tokens(patches: Tensor, input_px: int) -> Tensor:
    """Put tokens together again, the inverse of :func:`token_patches`.

    Args:
        patches: (B, (S/4)^2, 4 * 4 * C).
        input_px: S.

    Returns:
        (B, C, S, S).
    """
    side = input_px // TOKEN_PX
    cells = patches.reshape(len(patches), side, side, TOKEN_PX, TOKEN_PX, -1)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, input_px, input_px)
