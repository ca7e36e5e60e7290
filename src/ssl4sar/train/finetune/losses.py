"""Losses: cross-entropy and Dice of the zones, on window and central target, and of the front.

Source: method of SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945) and its published
code: 0.5 CE(centre) + 0.5 CE(window) + 0.5 Dice(centre) + 0.5 Dice(window).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ssl4sar.core.zones import CLASS_COUNT

_DICE_SMOOTHING = 1e-5
#: A pixel of the front counts as often as five others: it is one of some dozens.
_FRONT_WEIGHT: Final = 5.0


def centre_of(maps: Tensor, side_px: int) -> Tensor:
    """Return the central ``side_px`` square of the last two dimensions, without a copy.

    Args:
        maps: (..., H, W).
        side_px: side, at most H and W; an odd rest is cut at the end.
    """
    row, column = ((size - side_px) // 2 for size in maps.shape[-2:])
    return maps[..., row : row + side_px, column : column + side_px]


def pixel_cross_entropy(
    log_probabilities: Tensor, one_hot: Tensor, label_smoothing: float
) -> Tensor:
    """Cross-entropy of every pixel, with smoothing spread over the classes that are wrong.

    The target is 1 - e for the labelled class and e / (C - 1) for each other class. (torch spreads
    e over all C classes: its ``label_smoothing`` is e C / (C - 1).)

    Args:
        log_probabilities: (B, C, H, W) logarithms of the class probabilities.
        one_hot: (B, C, H, W) bool, exactly one true class per pixel.
        label_smoothing: e in [0, 1).

    Returns:
        (B, H, W) nats.
    """
    other = label_smoothing / (log_probabilities.shape[1] - 1)
    labelled = (log_probabilities * one_hot).sum(dim=1)
    return -(1 - label_smoothing - other) * labelled - other * log_probabilities.sum(dim=1)


def dice_loss(probabilities: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over classes of 1 - (2 sum(p t) + s) / (sum p^2 + sum t^2 + s), sums over the batch.

    A class that is absent from labels and prediction contributes almost 0, one that is absent
    from the labels only almost 1. The value is not additive over micro-batches.

    Args:
        probabilities: (B, C, H, W) in [0, 1].
        one_hot: (B, C, H, W) bool, or 0/1.

    Returns:
        Scalar in [0, 1].
    """
    dimensions = (0, 2, 3)
    overlap = (probabilities * one_hot).sum(dimensions)
    squares = probabilities.square().sum(dimensions) + one_hot.sum(dimensions)
    per_class = 1 - (2 * overlap + _DICE_SMOOTHING) / (squares + _DICE_SMOOTHING)
    return per_class.mean()


def front_loss(logits: Tensor, front: Tensor) -> Tensor:
    """Return binary cross-entropy plus Dice of the front over a batch.

    Args:
        logits: (B, S, S), any floating type; the arithmetic is float32.
        front: (B, S, S) uint8 0/1.

    Returns:
        Scalar.
    """
    logits, truth = logits.float(), front.float()
    weight = logits.new_tensor(_FRONT_WEIGHT)
    entropy = binary_cross_entropy_with_logits(logits, truth, pos_weight=weight)
    return entropy + dice_loss(logits.sigmoid()[:, None], truth[:, None])


class SegmentationLoss(nn.Module):
    """Half centre, half window, of cross-entropy plus Dice.

    Args:
        target_px: side of the central target, pixels; the side of the window makes both halves
            the same, which gives CE + Dice of the window.
        label_smoothing: probability mass of the wrong classes together.
        class_weights: weights of the classes in the cross-entropy. A pixel counts with the weight
            of its label, and the mean is divided by the sum of these weights.
        dice_weight: factor of the two Dice terms (1 as published).
        centre_weight: share of the centre in [0, 1] (0.5 as published).
    """

    def __init__(
        self,
        target_px: int,
        label_smoothing: float = 0.1,
        class_weights: Sequence[float] = (1.0,) * CLASS_COUNT,
        dice_weight: float = 1.0,
        centre_weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.target_px = target_px
        self.label_smoothing = label_smoothing
        self.dice_weight = dice_weight
        self.centre_weight = centre_weight
        self.class_weights: Tensor
        self.register_buffer(
            "class_weights",
            torch.tensor(list(class_weights), dtype=torch.float32),
            persistent=False,
        )

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss.

        Args:
            logits: (B, C, S, S), any floating type; the arithmetic is float32.
            labels: (B, S, S) uint8 class ids 0 to C - 1.
        """
        classes = torch.arange(logits.shape[1], device=labels.device, dtype=labels.dtype)
        one_hot = labels[:, None] == classes[None, :, None, None]
        log_probabilities = logits.float().log_softmax(dim=1)
        probabilities = log_probabilities.exp()
        entropy = pixel_cross_entropy(log_probabilities, one_hot, self.label_smoothing)
        weights = self.class_weights[labels.int()]
        window = self._terms(entropy, weights, probabilities, one_hot)
        if self.target_px == labels.shape[-1] or self.centre_weight == 0:
            return window
        maps = (entropy, weights, probabilities, one_hot)
        centre = self._terms(*(centre_of(each, self.target_px) for each in maps))
        return self.centre_weight * centre + (1 - self.centre_weight) * window

    def _terms(
        self, entropy: Tensor, weights: Tensor, probabilities: Tensor, one_hot: Tensor
    ) -> Tensor:
        # A crop of classes without weight has a weight sum of 0: its cross-entropy is 0, not NaN.
        total = weights.sum().clamp_min(torch.finfo(torch.float32).tiny)
        cross_entropy = (entropy * weights).sum() / total
        return cross_entropy + self.dice_weight * dice_loss(probabilities, one_hot)
