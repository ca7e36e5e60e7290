"""What both pretext tasks have in common: a Tyrion to be transferred, and its absolute errors.

Errors are handed out as sums with their counts, so that samples, batches and processes can be put
together without an average of averages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from ssl4sar.models.tyrion import Tyrion


@dataclass(frozen=True)
class PretextErrors:
    """Absolute errors of predicted optical values, per sample.

    Attributes:
        absolute: (B,) float32, sums of absolute errors over the values that count.
        counted: (B,) int64, number of values that count: those of pixels with data.
        positions: number of values of a sample that would count if all pixels had data.
    """

    absolute: Tensor
    counted: Tensor
    positions: int

    def losses(self) -> Tensor:
        """Return absolute / positions of each sample, (B,) with gradient; the loss is their mean.

        Pixels without data count as errors of zero instead of shrinking the denominator: so the
        loss is additive over the samples, and batches may be split between processes.
        """
        return self.absolute / self.positions


class PretextNetwork(nn.Module, ABC):
    """A network with one pretext task.

    Attributes:
        network: the Tyrion whose encoder and decoder are transferred.
    """

    network: Tyrion

    @abstractmethod
    def errors(
        self, sar: Tensor, optical: Tensor, valid: Tensor | None, masked: Tensor | None
    ) -> PretextErrors:
        """Predict the optical image and compare.

        Args:
            sar: (B, 1, S, S) float, values 0-1.
            optical: (B, 14, S, S) float, values 0-1.
            valid: (B, 1, S, S) bool, False where the optical image has no data; None: data
                everywhere.
            masked: (B, M) int32 or int64 on the device of ``sar``, numbers of the masked tokens of
                each image, row by row from 0; None for a task without masks.

        Raises:
            ValueError: a mask is missing, not wanted, or of another shape or type.
        """

    @abstractmethod
    def picture(self, sar: Tensor, masked: Tensor | None) -> Tensor:
        """Return the predicted optical image.

        Args:
            sar: (B, 1, S, S) float, values 0-1.
            masked: (B, M) int32 or int64 on the device of ``sar``, numbers of the masked tokens of
                each image, row by row from 0; None for a task without masks.

        Returns:
            (B, 14, S, S) float32, about 0-1 but not clipped; zero where the task predicts nothing.

        Raises:
            ValueError: as for :meth:`errors`.
        """


def absolute_errors(difference: Tensor, valid: Tensor | None, channel_dim: int) -> PretextErrors:
    """Sum up the absolute values of differences.

    Args:
        difference: (B, ...) predicted less true values, with channels in one dimension.
        valid: bool of the same shape but 1 for the channels: pixels that count; None: all.
        channel_dim: the dimension of the channels.
    """
    values = difference[0].numel()
    # Channels first, so that the mask is applied to one value per pixel.
    pixels = difference.float().abs().sum(dim=channel_dim, keepdim=True)
    if valid is None:
        counted = pixels.new_full((len(pixels),), values).long()
    else:
        pixels = pixels.masked_fill(~valid, 0)
        counted = valid.flatten(1).sum(dim=1) * difference.shape[channel_dim]
    return PretextErrors(pixels.flatten(1).sum(dim=1), counted, values)
