"""What training and prediction need of a network."""

from __future__ import annotations

from torch import nn


class ZoneNetwork(nn.Module):
    """Maps (B, 1, P, P) grey values in 0-1 to (B, K, P, P) logits.

    Attributes:
        input_px: side P of the input.
        out_channels: channels K of the output.
    """

    input_px: int
    out_channels: int
