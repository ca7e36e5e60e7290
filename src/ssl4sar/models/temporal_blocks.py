"""Layers that exchange information between the images of a series, one class per kind.

All see (B, T, N, C) features, T images of N positions. What is exchanged is between images,
position by position; only the GroupNorm of the convolution has statistics over all positions. All
blocks are residual and start as the identity.

Source: Multi-temporal Tyrion (Dreier et al. 2026, arXiv:2512.11560).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssl4sar.config.networks import TemporalKind
from ssl4sar.models.blocks import NORM_EPSILON, group_count

HEADS: Final = 8
KEY_CHANNELS: Final = 16
DROPOUT: Final = 0.1
#: The waves of the encoding of days are from 2 pi days to nearly so many times that, so that all
#: days of the archives have different encodings.
LONGEST_WAVE: Final = 10_000.0


class TemporalBlock(nn.Module):
    """Base of the kinds; by itself it leaves every image alone.

    Args:
        channels: channels C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Map (B, T, N, C) features and (B, T) days to (B, T, N, C)."""
        return x


class TemporalConvolution(TemporalBlock):
    """GroupNorm over the series, SiLU, a convolution over three images; zero at the start.

    At the ends the series is mirrored; an only image is its own neighbour.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.norm = nn.GroupNorm(group_count(channels), channels, eps=NORM_EPSILON)
        # The 3x1x1 convolution of a volume, whose rows and columns are one dimension here.
        self.conv = nn.Conv2d(channels, channels, (3, 1)).to(memory_format=torch.channels_last)
        nn.init.zeros_(self.conv.weight)
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Map (B, T, N, C) features to (B, T, N, C); days do not count, only their order."""
        active = functional.silu(self.norm(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        alone = active.shape[1] == 1
        before, after = (active, active) if alone else (active[:, 1:2], active[:, -2:-1])
        padded = torch.cat((before, active, after), dim=1)
        branch: Tensor = self.conv(padded.permute(0, 3, 1, 2))
        return x + branch.permute(0, 2, 3, 1)


class TemporalGru(TemporalBlock):
    """A recurrent unit in both directions between two linear layers.

    The gain and the bias of the last normalisation start at zero, which closes the branch but lets
    the gradient reach them: the slope of SiLU at zero is a half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        half = channels // 2
        self.squeeze = nn.Sequential(nn.Linear(channels, half), nn.LayerNorm(half), nn.SiLU())
        self.gru = nn.GRU(half, half, bidirectional=True)
        last = nn.LayerNorm(channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.expand = nn.Sequential(nn.Linear(channels, channels), last, nn.SiLU())

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Map (B, T, N, C) features to (B, T, N, C); days do not count, only their order."""
        series, frames, positions, _ = x.shape
        # Images first: every position of every series is a sequence of its own.
        sequences = self.squeeze(x).transpose(0, 1).reshape(frames, series * positions, -1)
        states, _ = self.gru(sequences)
        branch: Tensor = self.expand(states.view(frames, series, positions, -1).transpose(0, 1))
        return x + branch


class TemporalAttention(TemporalBlock):
    """Every image attends to all images of the series, by content and day.

    In the manner of L-TAE (Garnot & Landrieu 2020, arXiv:2007.00586): each head weighs its own
    group of channels, which are not projected before; other than there, every image asks. A learned
    factor, zero at the start, scales the branch.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, HEADS * KEY_CHANNELS)
        self.key = nn.Linear(channels, HEADS * KEY_CHANNELS)
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Dropout(DROPOUT), nn.LayerNorm(channels)
        )
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Map (B, T, N, C) features and (B, T) days to (B, T, N, C)."""
        encoded = encode_days(days, self.channels // HEADS).repeat(1, 1, HEADS)
        # (B, N, T, C): the images of a position beside each other.
        features = (self.norm(x) + encoded.unsqueeze(2)).transpose(1, 2)
        heads = (*features.shape[:3], HEADS, -1)
        query, key, value = (
            projected.view(heads).transpose(2, 3)
            for projected in (self.query(features), self.key(features), features)
        )
        weights = (query @ key.transpose(-2, -1) / KEY_CHANNELS**0.5).softmax(-1)
        attended = (self.dropout(weights) @ value).transpose(2, 3)
        branch: Tensor = self.output(attended.flatten(3)).transpose(1, 2)
        return x + self.scale * branch


def encode_days(days: Tensor, channels: int) -> Tensor:
    """Encode days by sines and cosines (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).

    Args:
        days: (B, T) whole numbers.
        channels: number of values per day, even.

    Returns:
        (B, T, channels) float32: sines, then cosines of the day at falling rates.
    """
    exponents = torch.arange(0, channels, 2, device=days.device) / channels
    angles = days.float().unsqueeze(-1) * LONGEST_WAVE**-exponents
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


#: The class of every kind.
BLOCKS: Final[dict[TemporalKind, type[TemporalBlock]]] = {
    "none": TemporalBlock,
    "conv": TemporalConvolution,
    "gru": TemporalGru,
    "attention": TemporalAttention,
}
