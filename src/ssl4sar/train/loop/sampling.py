"""What training sample ``index`` of epoch ``epoch`` is: image, window and every random parameter.

All of it follows from (seed, epoch, index) alone, so a sample is the same in any worker, on any
device, and after a resume. Source of the distributions: the published code of SSL4SAR
(Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ssl4sar.config.training import AugmentationConfig
from ssl4sar.core.seeding import derive_seed, generator

_SMALLEST_WINDOW_PX = 8
_SPECKLE_PEAKS = 3

#: Side of the window that is cut for a warped sample, in its own sides: its corners turn out.
REACH: Final = 1.5

#: Rows and columns (n, 2) of the labelled front of a training image, by its number.
FrontPixelsOf = Callable[[int], NDArray[np.integer]]


class BalancedOrder:
    """The members of groups in a shuffled order, each group equally often, each member too.

    A shuffled round ends before the next begins, so counts never differ by more than one.

    Args:
        groups: members of each group; one group has all its members equally often.
        seed: seed of the run; every position follows from it alone.

    Raises:
        ValueError: there is no member.
    """

    def __init__(self, groups: Sequence[Sequence[int]], seed: int) -> None:
        if not groups or not all(groups):
            raise ValueError("there is no training image to sample from")
        self._groups = tuple(tuple(group) for group in groups)
        self._seed = seed

    def member(self, position: int) -> int:
        """Return the member at a position of the endless sequence, from 0."""
        turn, index = divmod(position, len(self._groups))
        number = _shuffled(self._seed, "groups", turn, len(self._groups))[index]
        group = self._groups[number]
        round_of_group, index = divmod(turn, len(group))
        return group[_shuffled(self._seed, f"images {number}", round_of_group, len(group))[index]]


@lru_cache(maxsize=64)
def _shuffled(seed: int, purpose: str, turn: int, count: int) -> tuple[int, ...]:
    return tuple(int(i) for i in generator(seed, purpose, turn).permutation(count))


@dataclass(frozen=True)
class SceneShape:
    """What sampling needs to know of a training image.

    Attributes:
        group: images of one group share a turn in balanced sampling, e.g. the glacier.
        height_px: rows.
        width_px: columns.
    """

    group: str
    height_px: int
    width_px: int


@dataclass(frozen=True)
class Window:
    """A window of an image; it may reach beyond the image, which is then mirrored.

    Attributes:
        image: number of the image among the training images.
        row: first row, negative above the image.
        column: first column, negative left of the image.
        height_px: rows.
        width_px: columns.
    """

    image: int
    row: int
    column: int
    height_px: int
    width_px: int


@dataclass(frozen=True)
class Warp:
    """Rotation by any angle, stretch and bend of one sample.

    Attributes:
        angle_rad: rotation.
        stretch: factor of the rows before the rotation, of which the columns get the inverse.
        bend: standard deviation of the shift of 4 x 4 nodes, in sides of the result.
        seed: seed of these shifts.
    """

    angle_rad: float
    stretch: float
    bend: float
    seed: int


@dataclass(frozen=True)
class SampleDraw:
    """One training sample: where it is cut and how it is changed.

    Attributes:
        window: the crop.
        partner: the crop mixed into the ocean; None: no mix-up.
        partner_weight: weight w of the partner: (a + w b) / (1 + w).
        speckle_peak: mean k of the Poisson noise, 1 to 3; 0: no noise.
        brightness: factor; 1: unchanged.
        contrast: factor about the mean; 1: unchanged.
        gamma: exponent; 1: unchanged.
        flip_columns: mirror left to right.
        flip_rows: mirror top to bottom.
        quarter_turns: counter-clockwise rotation after the flips, 0 to 3 times 90 degrees.
        noise_seed: seed of the pixel noise.
        warp: how the window is warped, which then has ``REACH`` times its side; None: not.
    """

    window: Window
    partner: Window | None = None
    partner_weight: float = 0.0
    speckle_peak: int = 0
    brightness: float = 1.0
    contrast: float = 1.0
    gamma: float = 1.0
    flip_columns: bool = False
    flip_rows: bool = False
    quarter_turns: int = 0
    noise_seed: int = 0
    warp: Warp | None = None


class SampleDrawer:
    """Draws training samples.

    Args:
        scenes: the training images, in the order of their numbers.
        input_px: side S of the network's input.
        target_px: side of the central target. Windows may hang over the border by the margin
            around the target, so that every pixel of an image is in a target equally often.
        augmentation: probabilities and ranges.
        sampling: images: every image equally often; glaciers: every group equally often, and the
            images of a group equally often among themselves.
        samples_per_epoch: length of an epoch.
        seed: seed of the run.
        front_crop_probability: share of the windows that are laid about a pixel of the labelled
            front, which is then in their middle two thirds unless the border of the image is near;
            images without one are not affected.
        front_pixels: the labelled fronts, needed where that share is above 0.
    """

    def __init__(
        self,
        scenes: Sequence[SceneShape],
        *,
        input_px: int,
        target_px: int,
        augmentation: AugmentationConfig,
        sampling: Literal["images", "glaciers"],
        samples_per_epoch: int,
        seed: int,
        front_crop_probability: float = 0.0,
        front_pixels: FrontPixelsOf | None = None,
    ) -> None:
        self.front_crop_probability = front_crop_probability
        self.front_pixels = front_pixels
        self.scenes = tuple(scenes)
        self.input_px = input_px
        self.target_px = target_px
        self.augmentation = augmentation
        self.samples_per_epoch = samples_per_epoch
        self.seed = seed
        self._order = BalancedOrder(self._groups(sampling), seed)

    def _groups(self, sampling: Literal["images", "glaciers"]) -> tuple[tuple[int, ...], ...]:
        if sampling == "images":
            return (tuple(range(len(self.scenes))),)
        names = sorted({scene.group for scene in self.scenes})
        return tuple(
            tuple(i for i, scene in enumerate(self.scenes) if scene.group == name) for name in names
        )

    def image(self, epoch: int, index: int) -> int:
        """Return the number of the image of a sample; rounds continue over epochs."""
        return self._order.member(epoch * self.samples_per_epoch + index)

    def draw(self, epoch: int, index: int) -> SampleDraw:
        """Return sample ``index`` of ``epoch``."""
        drawn = self.drawn(self.image(epoch, index), epoch, index)
        window, warp = self._at_front(drawn.window, epoch, index), self._warp(epoch, index)
        return replace(drawn, window=window if warp is None else _enlarged(window), warp=warp)

    def drawn(self, image: int, epoch: int, index: int, *frame: str) -> SampleDraw:
        """Return what a sample does with an image, by a window anywhere in it and without a warp.

        Every parameter is drawn whether or not it is used, so that a change of one probability
        leaves all other draws of the sample as they are.

        Args:
            image: number of the image.
            epoch: epoch of the sample.
            index: number of the sample.
            frame: what else the draws depend on, where a sample has several images.
        """
        a = self.augmentation
        random = generator(self.seed, "sample", epoch, index, *frame)
        window = self._window(image, random)
        partner = self._window(int(random.integers(len(self.scenes))), random)
        mixes = random.random() < a.ocean_mixup_probability
        partner_weight = random.uniform(*a.ocean_mixup_range)
        speckles = random.random() < a.speckle_probability
        speckle_peak = 1 + int(random.integers(_SPECKLE_PEAKS))
        brightness = _factor(random, a.brightness_probability, a.brightness_range)
        contrast = _factor(random, a.contrast_probability, a.contrast_range)
        gamma = _factor(random, a.gamma_probability, a.gamma_range)
        flip_columns, flip_rows = (bool(u < a.flip_probability) for u in random.random(2))
        turns = random.random() < a.rotation_probability
        quarter_turns = 1 + int(random.integers(3))
        return SampleDraw(
            window=window,
            partner=partner if mixes else None,
            partner_weight=partner_weight if mixes else 0.0,
            speckle_peak=speckle_peak if speckles else 0,
            brightness=brightness,
            contrast=contrast,
            gamma=gamma,
            flip_columns=flip_columns,
            flip_rows=flip_rows,
            quarter_turns=quarter_turns if turns else 0,
            noise_seed=derive_seed(self.seed, "noise", epoch, index, *frame),
        )

    def _warp(self, epoch: int, index: int) -> Warp | None:
        """Draw a warp by random numbers of its own."""
        a = self.augmentation
        if not a.warp_probability:
            return None
        random = generator(self.seed, "warp", epoch, index)
        if random.random() >= a.warp_probability:
            return None
        angle_rad = random.uniform(-math.pi, math.pi)
        stretch = a.warp_stretch ** random.uniform(-1, 1)
        return Warp(angle_rad, stretch, a.warp_bend, derive_seed(self.seed, "bend", epoch, index))

    def _window(self, image: int, random: np.random.Generator) -> Window:
        scene = self.scenes[image]
        zoom = _factor(random, self.augmentation.rezoom_probability, self.augmentation.rezoom_range)
        side = max(int(self.input_px * zoom), _SMALLEST_WINDOW_PX)
        row, column = (
            self._start(side, length, float(random.random()))
            for length in (scene.height_px, scene.width_px)
        )
        return Window(image, row, column, side, side)

    def _at_front(self, window: Window, epoch: int, index: int) -> Window:
        """Move a share of the windows to the front, by random numbers of their own."""
        if not self.front_crop_probability or self.front_pixels is None:
            return window
        random = generator(self.seed, "front crop", epoch, index)
        if random.random() >= self.front_crop_probability:
            return window
        pixels = self.front_pixels(window.image)
        if not len(pixels):
            return window
        side, reach = window.height_px, window.height_px // 3
        scene = self.scenes[window.image]
        pixel = pixels[random.integers(len(pixels))]
        row, column = (
            min(max(int(wanted) - side // 2, low), high)
            for wanted, (low, high) in zip(
                pixel + random.integers(-reach, reach + 1, size=2),
                (self._starts(side, scene.height_px), self._starts(side, scene.width_px)),
                strict=True,
            )
        )
        return replace(window, row=row, column=column)

    def _start(self, side: int, length: int, position: float) -> int:
        """Return the first row of a window at a relative position, 0-1."""
        low, high = self._starts(side, length)
        return low + min(int(position * (high - low + 1)), high - low)

    def _starts(self, side: int, length: int) -> tuple[int, int]:
        """Smallest and largest first row with the target in the image, or holding all of it."""
        target = max(side * self.target_px // self.input_px, 1)
        margin = (side - target) // 2
        return min(0, length - target) - margin, max(0, length - target) - margin


def _enlarged(window: Window) -> Window:
    """Return a window about the same centre from which a warped one can be cut."""
    side = math.ceil(window.height_px * REACH)
    shift = (side - window.height_px) // 2
    return Window(window.image, window.row - shift, window.column - shift, side, side)


def _factor(random: np.random.Generator, probability: float, bounds: tuple[float, float]) -> float:
    happens = random.random() < probability
    value = float(random.uniform(*bounds))
    return value if happens else 1.0
