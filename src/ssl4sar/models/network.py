"""What training and prediction need of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import torch
from torch import Tensor, nn

from ssl4sar.core.zones import CLASS_COUNT

#: Output with the logit of the front, of a network that has one behind its zones.
FRONT: Final = CLASS_COUNT


def grey_power(image: Tensor, exponent: float) -> Tensor:
    """Return grey values (nominally 0-1, any shape) to the power ``exponent``.

    What augmentation or resampling brought below 0 counts as 0; an exponent of 1 changes nothing.
    """
    return image if exponent == 1 else image.clamp(min=0) ** exponent


class ZoneNetwork(nn.Module):
    """Maps (B, 1, P, P) grey values in 0-1 to (B, K, P, P) logits.

    Attributes:
        input_px: side P of the input.
        out_channels: channels K of the output: the four zones, and perhaps the front.
    """

    input_px: int
    out_channels: int


class SeriesNetwork(ZoneNetwork, ABC):
    """Maps series of images of one place together; an image alone is a series of one.

    It does not know how long series are: any length from 1 works, also another one than in
    training.
    """

    @abstractmethod
    def forward_series(
        self, images: Tensor, days: Tensor, predicted: Tensor | None = None
    ) -> Tensor:
        """Return logits of every image, or of those that are asked for.

        Args:
            images: (B, T, P, P) float, values 0-1: T images of one place in each of B series.
            days: (B, T) int64, days since 1995-01-01, ascending within a series.
            predicted: (B, N) int64, places 0 to T-1 of the images that are asked for; None: all.

        Returns:
            (B, N, K, P, P) float.

        Raises:
            ValueError: the images have another size than the network, or not each has a day.
        """

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, K, P, P) of (B, 1, P, P) images, each a series of its own."""
        days = torch.zeros(len(image), 1, dtype=torch.int64, device=image.device)
        return self.forward_series(image, days)[:, 0]
