"""Building blocks of the decoder: residual blocks and their upsampling.

Source: SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945); the residual block has the
form of latent diffusion (Rombach et al. 2022, arXiv:2112.10752) without its time embedding.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

MAX_GROUPS: Final = 32
NORM_EPSILON: Final = 1e-6


def group_count(channels: int) -> int:
    """Return the groups of a normalisation: the largest divisor of ``channels`` up to 32."""
    return max(count for count in range(1, MAX_GROUPS + 1) if channels % count == 0)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(group_count(channels), channels, eps=NORM_EPSILON)


class ResidualBlock(nn.Module):
    """Twice normalise, SiLU, 3x3 convolution; added to the input.

    The input passes a 1x1 convolution where the number of channels changes. Dropout sits before
    the second convolution.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        dropout: dropout probability, 0-1.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = _norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut: nn.Module = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        branch: Tensor = self.conv1(functional.silu(self.norm1(x)))
        branch = self.conv2(self.dropout(functional.silu(self.norm2(branch))))
        shortcut: Tensor = self.shortcut(x)
        return shortcut + branch


class UpBlock(nn.Module):
    """A residual block, then nearest-neighbour doubling and a 3x3 convolution.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        dropout: dropout probability, 0-1.
        upsample: False leaves out doubling and convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, dropout: float, upsample: bool = True
    ) -> None:
        super().__init__()
        self.residual = ResidualBlock(in_channels, out_channels, dropout)
        self.up_conv = nn.Conv2d(out_channels, out_channels, 3, padding=1) if upsample else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, 2H, 2W), or H, W without upsampling."""
        x = self.residual(x)
        if self.up_conv is None:
            return x
        doubled: Tensor = self.up_conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled
