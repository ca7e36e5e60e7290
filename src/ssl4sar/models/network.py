"""What training and prediction need of a network."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn


class ZoneNetwork(nn.Module):
    """Maps (B, 1, P, P) grey values in 0-1 to (B, K, P, P) logits.

    Attributes:
        input_px: side P of the input.
        out_channels: channels K of the output.
    """

    input_px: int
    out_channels: int


class SeriesNetwork(ZoneNetwork):
    """A network that sees several images of one place at a time; an image alone is a series too."""

    @abstractmethod
    def forward_series(self, images: Tensor, days: Tensor) -> Tensor:
        """Return the logits of every image of some series, all of one length of at least 1.

        Args:
            images: (B, T, P, P) grey values in 0-1.
            days: (B, T) int64 days since 1995-01-01, ascending within a series.

        Returns:
            (B, T, K, P, P) logits.
        """

    def forward(self, image: Tensor) -> Tensor:
        """Return the (B, K, P, P) logits of (B, 1, P, P) images, each of which is a series."""
        days = torch.zeros((len(image), 1), dtype=torch.int64, device=image.device)
        return self.forward_series(image, days)[:, 0]
