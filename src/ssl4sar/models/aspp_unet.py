"""The U-Net for zones of the CaFFe benchmark, with atrous pyramid pooling at its deepest level.

Source: Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022 (the benchmark's baseline) and its
published code; U-Net: Ronneberger et al. 2015, arXiv:1505.04597; pooling: Chen et al. 2017,
arXiv:1706.05587.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssl4sar.config.networks import AsppUnetConfig
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.models.network import ZoneNetwork, grey_power

_LEAK: Final = 0.1


def _normalised(convolution: nn.Conv2d, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), activation)


class DoubleConvolution(nn.Sequential):
    """Twice convolution, batch normalisation and leaky ReLU, at the same resolution.

    Args:
        in_channels: channels of the input.
        out_channels: channels of both convolutions.
        kernel_px: side of the kernels, odd.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_px: int) -> None:
        super().__init__(
            *(
                _normalised(
                    nn.Conv2d(channels, out_channels, kernel_px, padding=kernel_px // 2),
                    nn.LeakyReLU(_LEAK, inplace=True),
                )
                for channels in (in_channels, out_channels)
            )
        )


class AtrousPyramid(nn.Module):
    """Looks at a map through several dilations and as a whole, and joins what it sees.

    Args:
        channels: channels of input, branches and output.
        dilations: dilations of the 3x3 branches, pixels of the map.
        dropout: dropout probability of the output, 0-1.
    """

    def __init__(self, channels: int, dilations: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.point = _normalised(nn.Conv2d(channels, channels, 1, bias=False), nn.ReLU())
        self.dilated = nn.ModuleList(
            _normalised(
                nn.Conv2d(channels, channels, 3, padding=d, dilation=d, bias=False), nn.ReLU()
            )
            for d in dilations
        )
        self.whole = _normalised(nn.Conv2d(channels, channels, 1, bias=False), nn.ReLU())
        branches = 2 + len(self.dilated)
        self.join = nn.Sequential(
            _normalised(nn.Conv2d(branches * channels, channels, 1, bias=False), nn.ReLU()),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        # One value per channel: stretching it over the map is repeating it.
        mean: Tensor = self.whole(functional.adaptive_avg_pool2d(x, 1))
        branches = [self.point(x), *(branch(x) for branch in self.dilated), mean.expand_as(x)]
        joined: Tensor = self.join(torch.cat(branches, dim=1))
        return joined


class _Ascent(nn.Module):
    """Doubles a map, joins it with that of the way down, and convolves."""

    def __init__(self, in_channels: int, kernel_px: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
        self.convolve = DoubleConvolution(in_channels, in_channels // 2, kernel_px)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        joined: Tensor = self.convolve(torch.cat((skip, self.enlarge(x)), dim=1))
        return joined


class AsppUnet(ZoneNetwork):
    """The network. In training mode a batch needs two images: its normalisation compares them.

    Args:
        input_px: side of the input, pixels; a multiple of ``2 ** (levels - 1)``.
        first_channels: channels at full resolution; each level down has twice as many.
        levels: resolutions, the full one among them.
        kernel_px: side of the kernels of the way down and up, odd.
        dilations: dilations of the pyramid, pixels of the deepest map.
        dropout: dropout probability behind the pyramid, 0-1.
        input_gamma: power to which grey values are raised first.
        out_channels: channels of the output (four zones in fine-tuning).

    Raises:
        ValueError: the input cannot be halved as often as there are levels.
    """

    def __init__(
        self,
        input_px: int = 256,
        *,
        first_channels: int = 32,
        levels: int = 5,
        kernel_px: int = 3,
        dilations: Sequence[int] = (1, 2, 4, 8),
        dropout: float = 0.5,
        input_gamma: float = 1.0,
        out_channels: int = CLASS_COUNT,
    ) -> None:
        super().__init__()
        if input_px % 2 ** (levels - 1):
            raise ValueError(f"{input_px} pixels cannot be halved {levels - 1} times")
        self.input_px = input_px
        self.out_channels = out_channels
        self.input_gamma = input_gamma
        widths = [first_channels << level for level in range(levels)]
        inputs = [1, *widths[:-1]]
        self.descent = nn.ModuleList(
            DoubleConvolution(before, after, kernel_px)
            for before, after in zip(inputs, widths, strict=True)
        )
        self.pyramid = AtrousPyramid(widths[-1], dilations, dropout)
        self.ascent = nn.ModuleList(_Ascent(width, kernel_px) for width in widths[:0:-1])
        self.head = nn.Conv2d(first_channels, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits.

        Args:
            image: (B, 1, P, P) float, values 0-1.

        Returns:
            (B, out_channels, P, P) float.

        Raises:
            ValueError: the image has another size than the network.
        """
        expected = (1, self.input_px, self.input_px)
        if image.ndim != 4 or tuple(image.shape[1:]) != expected:
            raise ValueError(f"expected images (B, *{expected}), got {tuple(image.shape)}")
        x = self.descent[0](grey_power(image, self.input_gamma))
        skips = []
        for level in self.descent[1:]:
            skips.append(x)
            x = level(functional.max_pool2d(x, 2))
        x = self.pyramid(x)
        for step, skip in zip(self.ascent, reversed(skips), strict=True):
            x = step(x, skip)
        logits: Tensor = self.head(x)
        return logits


def build(settings: AsppUnetConfig, out_channels: int = CLASS_COUNT) -> AsppUnet:
    """Build the network with random weights, in training mode on the CPU."""
    sizes = settings.model_dump(exclude={"name"})
    return AsppUnet(**sizes, out_channels=out_channels)
