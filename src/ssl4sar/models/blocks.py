"""Building blocks of the decoder: residual blocks and their upsampling.

Source: SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945); the residual block has the
form of latent diffusion (Rombach et al. 2022, arXiv:2112.10752) without its time embedding.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

MAX_GROUPS: Final = 32
NORM_EPSILON: Final = 1e-6


def group_count(channels: int) -> int:
    """Return the groups of a normalisation: the largest divisor of ``channels`` up to 32.

    Up to 32 channels this is one channel per group, which is instance normalisation.
    """
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
        return doubled_convolution(x, self.up_conv)


# The taps of a 3x3 kernel that each tap of the equal 4x4 transposed kernel is the sum of.
_TAPS_OF_TRANSPOSED: Final = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
# Which of the offsets -1, 0, 1 in the small image the three taps of a kernel see on the doubled
# image, for an even and an odd pixel: [phase][offset][tap].
_TAPS_OF_PHASE: Final = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
)


def doubled_convolution(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Double with nearest neighbours and convolve 3x3, in one transposed convolution.

    Equal pixels of the doubled image share products: 16 instead of 36 per pixel of ``x``. The
    result, also of the backward pass, equals ``conv(doubled x)`` up to rounding.

    Args:
        x: (B, C, H, W).
        conv: 3x3 convolution with padding 1, C to D channels.

    Returns:
        (B, D, 2H, 2W).
    """
    # Composed in full precision whatever the network computes in: the kernels are small.
    with torch.autocast(x.device.type, enabled=False):
        taps = conv.weight.new_tensor(_TAPS_OF_TRANSPOSED)
        kernel = torch.einsum("ay,bx,dcyx->cdab", taps, taps, conv.weight)
    return functional.conv_transpose2d(x, kernel, conv.bias, stride=2, padding=1)


def doubled_head(x: Tensor, up_conv: nn.Conv2d, head: nn.Conv2d) -> Tensor:
    """Double, convolve 3x3, then 1x1, without ever holding the doubled features.

    Nothing is between the last upsampling of the decoder and its head, so the three linear steps
    are one convolution of the small image with 4 K outputs, the K outputs of the head for each of
    the four pixels into which a pixel is doubled. The result, also of the backward pass, equals
    ``head(up_conv(doubled x))`` up to rounding.

    Args:
        x: (B, C, H, W).
        up_conv: 3x3 convolution with padding 1, C to C channels.
        head: 1x1 convolution, C to K channels.

    Returns:
        (B, K, 2H, 2W).
    """
    with torch.autocast(x.device.type, enabled=False):
        weight, bias = head.weight.flatten(1), up_conv.bias
        assert bias is not None  # the decoder's convolutions have one
        composed = torch.einsum("kc,cdyx->kdyx", weight, up_conv.weight)
        taps = composed.new_tensor(_TAPS_OF_PHASE)
        kernels = torch.einsum("aiy,bjx,kdyx->kabdij", taps, taps, composed)
        offset = weight @ bias if head.bias is None else weight @ bias + head.bias
    outputs = functional.conv2d(
        x, kernels.flatten(0, 2), offset.repeat_interleave(len(taps) ** 2), padding=1
    )
    return functional.pixel_shuffle(outputs, 2)
