"""Pretext task 2, OptTranslator: translate a SAR image into all channels of an optical image.

Source: SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945).
"""

from __future__ import annotations

from torch import Tensor

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.core.pair_layout import CHANNELS
from ssl4sar.models.pretext import PretextErrors, PretextNetwork, absolute_errors
from ssl4sar.models.tyrion import Tyrion


class OptTranslator(PretextNetwork):
    """Tyrion with a 1x1 head of 14 outputs, without an activation after it."""

    def __init__(self, config: TyrionConfig) -> None:
        super().__init__()
        self.network = Tyrion(config, out_channels=len(CHANNELS))

    def errors(
        self, sar: Tensor, optical: Tensor, valid: Tensor | None, masked: Tensor | None = None
    ) -> PretextErrors:
        """Compare all pixels and channels; see :meth:`PretextNetwork.errors`."""
        return absolute_errors(self.picture(sar, masked) - optical, valid, channel_dim=1)

    def picture(self, sar: Tensor, masked: Tensor | None = None) -> Tensor:
        """Return the translated image; see :meth:`PretextNetwork.picture`."""
        if masked is not None:
            raise ValueError("this task masks nothing")
        predicted: Tensor = self.network(sar)
        return predicted.float()
