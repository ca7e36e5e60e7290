"""What sample ``index`` of epoch ``epoch`` of a pretraining is: image, window, mirror image, mask.

All of it follows from (seed, epoch, index) alone. Both images of a pair are cut alike. Source of
the distributions: the published code of SSL4SAR (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945), which pads every image with its mirror image beforehand; here the
windows reach beyond the image instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssl4sar.config.pretext import OptSimMIMConfig, PretextConfig
from ssl4sar.core.seeding import generator
from ssl4sar.models.token_mask import draw_token_mask, token_count
from ssl4sar.train.loop.sampling import BalancedOrder, Window

_SMALLEST_SIDE_PX: Final = 8


class Padding(NamedTuple):
    """A side of an image with its mirrored margins.

    Attributes:
        length_px: length with both margins.
        before_px: margin above or left of the image.
    """

    length_px: int
    before_px: int


def padding(length_px: int, step_px: int) -> Padding:
    """Return the margins of one side: to the second next multiple of a step.

    The whole margin is more than one and at most two steps, and as equal at both ends as whole
    pixels allow; of an odd margin the half is rounded to the even number.

    Args:
        length_px: side of the image, pixels.
        step_px: the step, pixels.
    """
    padded = (length_px // step_px + 2) * step_px
    return Padding(padded, round((padded - length_px) / 2))


@dataclass(frozen=True)
class PairDraw:
    """One sample of a pretraining.

    Attributes:
        window: the crop of both images, square; it is resized to the network's input.
        flip_columns: mirror left to right.
        flip_rows: mirror top to bottom.
    """

    window: Window
    flip_columns: bool = False
    flip_rows: bool = False


class PairSampleDrawer:
    """Draws the samples of a pretraining.

    Args:
        sizes_px: height and width of the training images, in the order of their numbers.
        input_px: side S of the network's input.
        config: its ``samples_per_epoch``, ``min_scale``, ``flip_probability``,
            ``legacy_vertical_flip`` and ``mask_ratio`` are used.
        seed: seed of the run.

    Raises:
        ValueError: there is no training image.
    """

    def __init__(
        self,
        sizes_px: Sequence[tuple[int, int]],
        *,
        input_px: int,
        config: PretextConfig,
        seed: int,
    ) -> None:
        self.sizes_px = tuple(sizes_px)
        self.input_px = input_px
        self.config = config
        self.seed = seed
        self._order = BalancedOrder([range(len(self.sizes_px))], seed)

    def draw(self, epoch: int, index: int) -> PairDraw:
        """Return sample ``index`` of ``epoch``.

        A window of S x S is anywhere in the padded image, and in it a square of side
        int(S U(min_scale, 1)). Every parameter is drawn whether or not it is used, so that a
        change of one key leaves all other draws of the sample as they are.
        """
        config = self.config
        image = self._order.member(epoch * config.samples_per_epoch + index)
        random = generator(self.seed, "pair", epoch, index)
        outer_shares = random.random(2).tolist()
        inner_shares = random.random(2).tolist()
        scale = config.min_scale + (1 - config.min_scale) * float(random.random())
        flips = bool(random.random() < config.flip_probability)
        side = max(int(self.input_px * scale), _SMALLEST_SIDE_PX)
        row, column = (
            self._start(length, side, outer, inner)
            for length, outer, inner in zip(
                self.sizes_px[image], outer_shares, inner_shares, strict=True
            )
        )
        return PairDraw(
            Window(image, row, column, side, side),
            flip_columns=flips and not config.legacy_vertical_flip,
            flip_rows=flips and config.legacy_vertical_flip,
        )

    def mask(self, epoch: int, index: int) -> NDArray[np.bool_] | None:
        """Return which tokens of a sample are masked, (tokens,) bool; None for OptTranslator."""
        if not isinstance(self.config, OptSimMIMConfig):
            return None
        random = generator(self.seed, "token mask", epoch, index)
        return draw_token_mask(random, token_count(self.input_px), self.config.mask_ratio)

    def _start(self, length_px: int, side_px: int, outer: float, inner: float) -> int:
        """Return the first row of a crop, from two shares in [0, 1)."""
        padded_px, before_px = padding(length_px, self.input_px)
        window = _place(outer, padded_px - self.input_px)
        return window + _place(inner, self.input_px - side_px) - before_px


def _place(share: float, last: int) -> int:
    """Return a whole number from 0 to ``last``, all equally likely for a share in [0, 1)."""
    return min(int(share * (last + 1)), last)
