"""Pretext task 1, OptSimMIM: predict the optical pixels under masked tokens of a SAR image.

Source: SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945), after SimMIM (Xie et al.
2022, arXiv:2111.09886), which predicts the pixels of the masked image itself.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.core.pair_layout import CHANNELS
from ssl4sar.models.pretext import PretextErrors, PretextNetwork, absolute_errors
from ssl4sar.models.token_mask import (
    TOKEN_PX,
    assemble_tokens,
    token_count,
    token_patches,
)
from ssl4sar.models.tyrion import Tyrion

#: Channels between the decoder and the second patch embedding.
BETWEEN_CHANNELS: Final = 3
_WEIGHT_SPREAD: Final = 0.02
_NUMBERS: Final = (torch.int32, torch.int64)


class TokenEmbedding(nn.Module):
    """Embed the tokens of an image: a convolution per token, then a LayerNorm.

    Args:
        in_channels: channels of the image.
        width: channels C of a token.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, TOKEN_PX, stride=TOKEN_PX)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, S, S) to (B, (S/4)^2, C), tokens row by row."""
        tokens: Tensor = self.norm(self.conv(image).flatten(2).transpose(1, 2))
        return tokens


class OptSimMIM(PretextNetwork):
    """Tyrion on masked images, its output embedded once more and read out at the masked tokens.

    Masked tokens are the zero vector after the encoder's patch embedding. The decoder ends in 3
    channels; their tokens (4x4 px, C values) become 4 * 4 * 14 values by row, column, channel.
    """

    def __init__(self, config: TyrionConfig) -> None:
        super().__init__()
        self.network = Tyrion(config, out_channels=BETWEEN_CHANNELS)
        self.embedding = TokenEmbedding(BETWEEN_CHANNELS, config.embed_dim)
        self.readout = nn.Linear(config.embed_dim, TOKEN_PX**2 * len(CHANNELS))
        nn.init.trunc_normal_(self.readout.weight, std=_WEIGHT_SPREAD)
        nn.init.zeros_(self.readout.bias)
        self.tokens = token_count(config.input_px)

    def errors(
        self, sar: Tensor, optical: Tensor, valid: Tensor | None, masked: Tensor | None
    ) -> PretextErrors:
        """Compare the pixels of masked tokens only; see :meth:`PretextNetwork.errors`.

        Nothing here waits for a GPU.
        """
        rows = self._masked_rows(sar, masked)
        shape = (len(sar), -1, TOKEN_PX**2, len(CHANNELS))
        predicted = self._predict(sar, rows).view(shape)
        target = _select(token_patches(optical), rows).view(shape)
        if valid is not None:
            valid = _select(token_patches(valid), rows).view(*shape[:3], 1)
        return absolute_errors(predicted - target, valid, channel_dim=-1)

    def picture(self, sar: Tensor, masked: Tensor | None) -> Tensor:
        """Return predictions at masked tokens, zero elsewhere; see the base class."""
        rows = self._masked_rows(sar, masked)
        predicted = self._predict(sar, rows)
        patches = predicted.new_zeros(len(sar) * self.tokens, predicted.shape[-1])
        patches = patches.index_copy(0, rows, predicted)
        return assemble_tokens(patches.view(len(sar), self.tokens, -1), self.network.input_px)

    def _masked_rows(self, sar: Tensor, masked: Tensor | None) -> Tensor:
        """Return the numbers of the masked tokens among all of the batch, (B * M,) int64."""
        if masked is None:
            raise ValueError("this task needs a mask")
        if masked.ndim != 2 or len(masked) != len(sar) or masked.dtype not in _NUMBERS:
            raise ValueError(
                f"expected the numbers of the masked tokens of {len(sar)} images, got "
                f"{tuple(masked.shape)} {masked.dtype}"
            )
        first = torch.arange(len(sar), device=sar.device)[:, None] * self.tokens
        return (masked + first).flatten()

    def _predict(self, sar: Tensor, rows: Tensor) -> Tensor:
        """Return the values of the masked tokens, (B * M, 4 * 4 * 14) float32."""
        hidden = torch.zeros(len(sar) * self.tokens, dtype=torch.bool, device=sar.device)
        hidden = hidden.index_fill(0, rows, True).view(len(sar), self.tokens)
        tokens = self.embedding(self.network(sar, hidden))
        values: Tensor = self.readout(_select(tokens, rows))
        return values.float()


def _select(tokens: Tensor, rows: Tensor) -> Tensor:
    """Return rows of (B, T, C) by their numbers in the batch, (len(rows), C)."""
    return tokens.flatten(0, 1).index_select(0, rows)
