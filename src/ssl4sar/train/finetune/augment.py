"""Augmentation of a batch on the device, as pure functions with explicit parameters.

Images are float32 grey in [0, 1], labels uint8 class ids. Nothing here draws from a global random
state: pixel noise comes from one generator per sample, so a sample does not depend on the others
in its batch. Unlike the published code (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945)
images are not requantised to 8 bits between the steps, and labels are resized by nearest
neighbour; ``legacy_*`` switches of the configuration bring its resizing back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ssl4sar.config.training import AugmentationConfig
from ssl4sar.core.zones import OCEAN
from ssl4sar.train.finetune.crops import CropBatch
from ssl4sar.train.finetune.warp import sampling_grid, warped
from ssl4sar.train.loop.sampling import REACH, SampleDraw, Warp


def resize_image(pixels: Tensor, side_px: int, *, antialias: bool = True) -> Tensor:
    """Resize a grey image bilinearly and scale it to [0, 1].

    Args:
        pixels: (h, w) uint8.
        side_px: new side.
        antialias: low-pass where the image shrinks; False aliases like the published code.

    Returns:
        (side_px, side_px) float32.
    """
    image = pixels.float() / 255
    if pixels.shape == (side_px, side_px):
        return image
    shrinks = max(pixels.shape) > side_px
    return interpolate(
        image[None, None],
        (side_px, side_px),
        mode="bilinear",
        align_corners=False,
        antialias=antialias and shrinks,
    )[0, 0].clamp_(0, 1)


def resize_labels(labels: Tensor, side_px: int, *, bilinear: bool = False) -> Tensor:
    """Resize class ids by nearest neighbour (the pixel under the new pixel's centre).

    Args:
        labels: (h, w) uint8.
        side_px: new side.
        bilinear: interpolate the ids and round, which invents classes at boundaries like the
            published code.

    Returns:
        (side_px, side_px) uint8.
    """
    if labels.shape == (side_px, side_px):
        return labels
    if bilinear:
        ids = interpolate(
            labels[None, None].float(), (side_px, side_px), mode="bilinear", align_corners=False
        )
        return ids[0, 0].round().to(torch.uint8)
    rows, columns = (_centre_index(side_px, size, labels.device) for size in labels.shape)
    return labels.index_select(0, rows).index_select(1, columns)


def _centre_index(new: int, old: int, device: torch.device) -> Tensor:
    # (2 i + 1) old / (2 new), rounded down, in exact integers.
    return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)


def mix_ocean(images: Tensor, labels: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
    """Blend other images into the ocean: (a + w b) / (1 + w) where the label is ocean.

    Args:
        images: (N, S, S) in [0, 1].
        labels: (N, S, S) uint8.
        partners: (N, S, S) in [0, 1].
        weights: (N,) w.

    Returns:
        (N, S, S) in [0, 1].
    """
    w = weights[:, None, None]
    return torch.where(labels == OCEAN, (images + w * partners) / (1 + w), images)


def speckle(
    shape: Sequence[int], peak: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Draw noise U(0,1) (Poisson(k) - k), divided by its maximum.

    Args:
        shape: shape of the noise.
        peak: k, the mean of the Poisson distribution.
        generator: source of randomness, on ``device``.
        device: where the noise is made.

    Returns:
        float32 of ``shape``; its maximum is 1 where any value is positive.
    """
    counts = torch.poisson(
        torch.full(tuple(shape), float(peak), device=device), generator=generator
    )
    noise = torch.rand(tuple(shape), generator=generator, device=device) * (counts - peak)
    return noise / noise.max().clamp_min(torch.finfo(torch.float32).eps)


def scale_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply (N, S, S) images by (N,) factors, clipped to [0, 1]."""
    return (images * factors[:, None, None]).clamp(0, 1)


def scale_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Scale (N, S, S) images about their own means by (N,) factors, clipped to [0, 1]."""
    means = images.mean(dim=(1, 2), keepdim=True)
    return (means + (images - means) * factors[:, None, None]).clamp(0, 1)


def apply_gamma(images: Tensor, exponents: Tensor) -> Tensor:
    """Raise (N, S, S) images in [0, 1] to (N,) exponents."""
    return images ** exponents[:, None, None]


def dihedral(maps: Tensor, *, flip_columns: bool, flip_rows: bool, quarter_turns: int) -> Tensor:
    """Flip, then rotate the last two dimensions: exact, no interpolation.

    Args:
        maps: (..., S, S).
        flip_columns: mirror left to right.
        flip_rows: mirror top to bottom.
        quarter_turns: counter-clockwise rotations by 90 degrees.
    """
    dimensions = [-1] * flip_columns + [-2] * flip_rows
    flipped = maps.flip(dimensions) if dimensions else maps
    return torch.rot90(flipped, quarter_turns, (-2, -1)) if quarter_turns else flipped


class Augmented(NamedTuple):
    """What a network is trained on in one step.

    Attributes:
        images: (B, 1, S, S) float32 in [0, 1].
        labels: (B, S, S) uint8 class ids.
        fronts: (B, S, S) uint8 0/1, the band about the labelled front; None where the batch has no
            fronts.
    """

    images: Tensor
    labels: Tensor
    fronts: Tensor | None


def front_band(front: Tensor, reach_px: int) -> Tensor:
    """Widen a labelled front by some pixels in each of the eight directions.

    Args:
        front: (h, w) uint8 0/1.
        reach_px: pixels to each side.

    Returns:
        (h, w) uint8 0/1.
    """
    widened = max_pool2d(front[None, None].float(), 2 * reach_px + 1, stride=1, padding=reach_px)
    return widened[0, 0].to(torch.uint8)


def augment_batch(
    batch: CropBatch, input_px: int, config: AugmentationConfig, front_band_px: int = 0
) -> Augmented:
    """Turn raw crops into the network's input, on the device that holds them.

    Order: resize, warp, ocean mix-up, speckle, brightness, contrast, gamma, flips, rotation.

    Args:
        batch: crops of any size and their draws.
        input_px: side S of the network's input.
        config: only its legacy switches are used; all else is in the draws.
        front_band_px: reach of the band about the labelled front, pixels of the crops.
    """
    crops = batch.crops()
    antialias = not config.legacy_no_antialias
    frames = [_Frame(draw.warp, input_px, batch.pixels.device) for draw in batch.draws]
    images = torch.stack(
        [f.image(c.image, antialias=antialias) for f, c in zip(frames, crops, strict=True)]
    )
    bilinear = config.legacy_bilinear_masks
    labels = torch.stack(
        [f.labels(c.labels, bilinear=bilinear) for f, c in zip(frames, crops, strict=True)]
    )
    partners = {
        i: resize_image(c.partner, input_px, antialias=antialias)
        for i, c in enumerate(crops)
        if c.partner is not None
    }
    if partners:
        rows = list(partners)
        weights = images.new_tensor([batch.draws[i].partner_weight for i in rows])
        mixed = mix_ocean(images[rows], labels[rows], torch.stack(list(partners.values())), weights)
        images[rows] = mixed
    _photometric(images, batch.draws)
    images = _geometric(images, batch.draws)
    labels = _geometric(labels, batch.draws)
    if not batch.with_fronts:
        return Augmented(images[:, None], labels, None)
    # Widened before it is resized: a line of one pixel would have gaps after nearest neighbour.
    bands = [front_band(c.front, front_band_px) for c in crops if c.front is not None]
    fronts = torch.stack([f.labels(band) for f, band in zip(frames, bands, strict=True)])
    return Augmented(images[:, None], labels, _geometric(fronts, batch.draws))


class _Frame:
    """Brings the parts of one crop to the size of the input, alike."""

    def __init__(self, warp: Warp | None, input_px: int, device: torch.device) -> None:
        self._grid = None if warp is None else sampling_grid(warp, input_px, device)
        self._side_px = input_px if warp is None else round(REACH * input_px)

    def image(self, pixels: Tensor, *, antialias: bool = True) -> Tensor:
        resized = resize_image(pixels, self._side_px, antialias=antialias)
        return resized if self._grid is None else warped(resized, self._grid, "bilinear")

    def labels(self, labels: Tensor, *, bilinear: bool = False) -> Tensor:
        resized = resize_labels(labels, self._side_px, bilinear=bilinear)
        return resized if self._grid is None else warped(resized, self._grid, "nearest")


def _photometric(images: Tensor, draws: Sequence[SampleDraw]) -> None:
    """Change the images in place; samples without a step are not touched by it."""
    for i, draw in enumerate(draws):
        if draw.speckle_peak:
            noise_source = torch.Generator(images.device).manual_seed(draw.noise_seed)
            noise = speckle(images.shape[1:], draw.speckle_peak, noise_source, images.device)
            images[i] = (images[i] + noise).clamp_(0, 1)
    steps = (
        (scale_brightness, [draw.brightness for draw in draws]),
        (scale_contrast, [draw.contrast for draw in draws]),
        (apply_gamma, [draw.gamma for draw in draws]),
    )
    for step, values in steps:
        rows = [i for i, value in enumerate(values) if value != 1]
        if rows:
            images[rows] = step(images[rows], images.new_tensor([values[i] for i in rows]))


def _geometric(maps: Tensor, draws: Sequence[SampleDraw]) -> Tensor:
    """Flip and rotate (N, S, S) maps, each by its draw."""
    groups: dict[tuple[bool, bool, int], list[int]] = {}
    for i, draw in enumerate(draws):
        key = (draw.flip_columns, draw.flip_rows, draw.quarter_turns)
        groups.setdefault(key, []).append(i)
    turned = torch.empty_like(maps)
    for (flip_columns, flip_rows, quarter_turns), rows in groups.items():
        turned[rows] = dihedral(
            maps[rows],
            flip_columns=flip_columns,
            flip_rows=flip_rows,
            quarter_turns=quarter_turns,
        )
    return turned
