"""What training and prediction need of a network."""

from __future__ import annotations

from typing import Final

from torch import nn

from ssl4sar.core.zones import CLASS_COUNT

#: Output with the logit of the front, of a network that has one behind its zones.
FRONT: Final = CLASS_COUNT


class ZoneNetwork(nn.Module):
    """Maps (B, 1, P, P) grey values in 0-1 to (B, K, P, P) logits.

    Attributes:
        input_px: side P of the input.
        out_channels: channels K of the output: the four zones, and perhaps the front.
    """

    input_px: int
    out_channels: int
