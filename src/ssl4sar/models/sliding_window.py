"""Class probabilities of a whole image from overlapping windows.

A window of ``input_px`` sees ``centre_px`` trusted pixels in its middle. Windows are ``stride_px``
apart, so that a pixel is predicted several times; predictions are averaged with Gaussian weights.
Source of the scheme: SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945) with windows
of 512, centres of 256, a stride of 128 and sigma 32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import track
from ssl4sar.models.network import FRONT, SeriesNetwork, ZoneNetwork

GREY_MAXIMUM = 255.0
#: Maps windows (B, T, P, P) of T images to logits (B, N, K, P, P) of N of them.
_Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class WindowAxis:
    """The windows along one axis of an image.

    Attributes:
        source_px: (N, input_px) image pixel that each pixel of each window shows; windows reach
            over the border, where they show the image mirrored with its edge.
        starts_px: (N,) first image pixel of each window's centre.
        weights: (N, centre_px) float32 share of each window in the image pixels of its centre; the
            shares of all windows that hold a pixel add up to 1.
    """

    source_px: NDArray[np.intp]
    starts_px: NDArray[np.intp]
    weights: NDArray[np.float32]


def plan_axis(
    length_px: int, input_px: int, centre_px: int, stride_px: int, sigma_px: float
) -> WindowAxis:
    """Lay windows along an axis.

    The axis is padded by what a window has around its centre and then, at its end, to a whole
    number of strides; where it already fits, one more stride is added, as in the original code.
    Axes shorter than a window get one window.

    Args:
        length_px: length of the image, at least 1.
        input_px: side of a window.
        centre_px: side of the centre that is used, at most ``input_px``.
        stride_px: step between windows, at most ``centre_px``.
        sigma_px: standard deviation of the weights about pixel ``centre_px // 2`` of the centre.

    Returns:
        The windows.
    """
    margin = (input_px - centre_px) // 2
    padded = length_px + input_px - centre_px
    extra = stride_px - (padded - input_px) % stride_px
    count = max(0, (padded + extra - input_px) // stride_px) + 1
    # Without overlap the added stride would be a window wholly behind the image.
    starts = stride_px * np.arange(min(count, -(-length_px // stride_px)))
    source = mirrored(starts[:, None] - margin + np.arange(input_px), length_px)
    return WindowAxis(source, starts, _shares(starts, centre_px, sigma_px))


def mirrored(position_px: NDArray[np.intp], length_px: int) -> NDArray[np.intp]:
    """Return the pixels within 0..length-1 that positions show in an endlessly mirrored image.

    The edge pixel is repeated (``symmetric`` in NumPy's words), so that a single pixel works too.
    """
    folded = position_px % (2 * length_px)
    inside: NDArray[np.intp] = np.where(folded < length_px, folded, 2 * length_px - 1 - folded)
    return inside


def _shares(starts: NDArray[np.intp], centre_px: int, sigma_px: float) -> NDArray[np.float32]:
    offsets = np.arange(centre_px)
    exponent = -0.5 * ((offsets - centre_px // 2) / sigma_px) ** 2
    columns = starts[:, None] + offsets
    covered = int(columns.max()) + 1
    # Only differences of exponents matter: taking off the largest saves tiny weights from 0 / 0.
    largest = np.full(covered, -np.inf)
    for pixels in columns:
        largest[pixels] = np.maximum(largest[pixels], exponent)
    weights = np.exp(exponent - largest[columns])
    total = np.zeros(covered)
    np.add.at(total, columns, weights)
    shares: NDArray[np.float32] = (weights / total[columns]).astype(np.float32)
    return shares


def predict_probabilities(
    network: ZoneNetwork,
    image_u8: NDArray[np.uint8],
    config: PredictionConfig,
    device: torch.device | str,
    subject: str | Path = "image",
    progress: bool = False,
) -> NDArray[np.float32]:
    """Predict class probabilities for every pixel of an image of any size.

    Memory holds the image, one float32 map per class (two with rotations) and one batch.

    Args:
        network: in evaluation mode, on ``device``.
        image_u8: (H, W) grey values.
        config: stride, centre, weights, rotations, batch size and precision.
        device: where the network is.
        subject: scene named in an error and in the progress.
        progress: show how far the windows are.

    Returns:
        (K, H, W) float32 probabilities: of the classes, whose sum is 1 up to rounding, then that of
        the front where the network has this output.

    Raises:
        ValueError: not an (H, W) uint8 image, a network in training mode, or a centre larger than
            the network's input.
        UserError: the network returned NaN.
    """
    if image_u8.ndim != 2 or image_u8.dtype != np.uint8 or image_u8.size == 0:
        raise ValueError(f"expected (H, W) uint8, got {image_u8.shape} {image_u8.dtype}")

    def forward(windows: Tensor) -> Tensor:
        logits: Tensor = network(windows)
        return logits[:, None]

    label = str(subject) if progress else None
    use = _Use(network, forward, 1, config, device, subject)
    maps = _blended(use, image_u8[None], label)
    return maps.reshape(maps.shape[1:])


def predict_series(
    network: SeriesNetwork,
    images_u8: NDArray[np.uint8],
    days: Sequence[int],
    predicted: Sequence[int],
    config: PredictionConfig,
    device: torch.device | str,
    subject: str | Path = "series",
) -> NDArray[np.float32]:
    """Predict class probabilities of some images of a series, from all of them.

    Windows are those of :func:`predict_probabilities`, at the same place in every image. Memory
    holds the images, one float32 map per class of each predicted image (two with rotations) and one
    batch, in which every image of a series counts as a window.

    Args:
        network: in evaluation mode, on ``device``.
        images_u8: (T, H, W) grey values.
        days: (T,) days since 1995-01-01, ascending.
        predicted: (N,) numbers of the images to predict.
        config: stride, centre, weights, rotations, batch size and precision.
        device: where the network is.
        subject: scene named in an error.

    Returns:
        (N, K, H, W) float32 probabilities, as for a single image.

    Raises:
        ValueError: not (T, H, W) uint8 with T ascending days, or as for a single image.
        UserError: the network returned NaN.
    """
    if images_u8.ndim != 3 or images_u8.dtype != np.uint8 or images_u8.size == 0:
        raise ValueError(f"expected (T, H, W) uint8, got {images_u8.shape} {images_u8.dtype}")
    if len(days) != len(images_u8) or list(days) != sorted(days):
        raise ValueError(f"expected {len(images_u8)} days in ascending order, got {list(days)}")
    all_days = torch.tensor([days], dtype=torch.int64, device=device)
    asked = None if len(predicted) == len(days) else torch.tensor([list(predicted)], device=device)

    def forward(windows: Tensor) -> Tensor:
        count = len(windows)
        places = None if asked is None else asked.expand(count, -1)
        return network.forward_series(windows, all_days.expand(count, -1), places)

    use = _Use(network, forward, len(predicted), config, device, subject)
    return _blended(use, images_u8, None)


@dataclass(frozen=True)
class _Use:
    """How a network is applied to the windows of an image or a series.

    Attributes:
        network: the network behind ``forward``.
        forward: how windows become logits.
        maps: number N of images that are predicted.
        config: windows, weights and arithmetic.
        device: where the network is.
        subject: scene named in an error.
    """

    network: ZoneNetwork
    forward: _Forward
    maps: int
    config: PredictionConfig
    device: torch.device | str
    subject: str | Path


def _blended(use: _Use, images: NDArray[np.uint8], label: str | None) -> NDArray[np.float32]:
    """Return (N, K, H, W) probabilities of (T, H, W) images, averaged over the rotations.

    Args:
        use: how the network is applied.
        images: the images.
        label: scene named in the progress; None: no progress is shown.
    """
    network, config = use.network, use.config
    if network.training:
        raise ValueError("the network is in training mode: dropout would blur the prediction")
    if config.centre_px > network.input_px:
        raise ValueError(f"centre_px {config.centre_px} exceeds the input {network.input_px}")
    mean: NDArray[np.float32] | None = None
    for degrees in config.rotations:
        quarter_turns = degrees // 90
        # Clockwise, as in the original code; the padding at the end of an axis makes it matter.
        turned = np.rot90(images, -quarter_turns, axes=(1, 2))
        shown = None if label is None else f"windows of {label} at {degrees} deg"
        part = _predict_upright(use, turned, shown)
        part = np.rot90(part, quarter_turns, axes=(2, 3))
        mean = part if mean is None else mean + part
    assert mean is not None  # the configuration holds at least one rotation
    return np.ascontiguousarray(mean / np.float32(len(config.rotations)))


def _predict_upright(
    use: _Use, images: NDArray[np.uint8], label: str | None
) -> NDArray[np.float32]:
    frames, *shape = images.shape
    network, config = use.network, use.config
    plan = (network.input_px, config.centre_px, config.stride_px, config.sigma_px)
    rows, columns = (plan_axis(length, *plan) for length in shape)
    windows = list(product(range(len(rows.starts_px)), range(len(columns.starts_px))))
    at_once = max(1, config.batch_size // frames)
    batches: Iterable[list[tuple[int, int]]] = list(_batches(windows, at_once))
    if label is not None:
        batches = track(batches, label)
    canvas = np.zeros((use.maps, network.out_channels, *shape), np.float32)
    every = range(frames)
    for batch in batches:
        crops = np.stack(
            [images[np.ix_(every, rows.source_px[r], columns.source_px[c])] for r, c in batch]
        )
        centres = _centre_probabilities(use, crops)
        if np.isnan(centres).any():
            raise UserError(
                use.subject,
                "the network returned NaN",
                "check the image and the checkpoint, or predict with precision 32-true",
            )
        for (r, c), centre in zip(batch, centres, strict=True):
            _add(canvas, centre, rows, columns, r, c)
    return canvas


def _centre_probabilities(use: _Use, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (B, N, K, centre, centre) probabilities of (B, T, P, P) windows."""
    config, device = use.config, torch.device(use.device)
    mixed = config.precision == "bf16-mixed"
    margin = (use.network.input_px - config.centre_px) // 2
    centre = slice(margin, margin + config.centre_px)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        grey = torch.from_numpy(crops).to(device).float() / GREY_MAXIMUM
        logits = use.forward(grey)[..., centre, centre]
        probabilities = _probabilities(logits.flatten(0, 1).float()).reshape(logits.shape)
        centres: NDArray[np.float32] = probabilities.cpu().numpy()
    return centres


def _probabilities(logits: Tensor) -> Tensor:
    """Turn (B, K, H, W) logits of zones, and perhaps of the front, into probabilities."""
    zones = torch.softmax(logits[:, :FRONT], 1)
    return zones if logits.shape[1] == FRONT else torch.cat((zones, logits[:, FRONT:].sigmoid()), 1)


def _add(
    canvas: NDArray[np.float32],
    centre: NDArray[np.float32],
    rows: WindowAxis,
    columns: WindowAxis,
    row: int,
    column: int,
) -> None:
    """Add the weighted probabilities of one window, cut at the end of the image."""
    top, left = rows.starts_px[row], columns.starts_px[column]
    target = canvas[..., top : top + centre.shape[-2], left : left + centre.shape[-1]]
    height, width = target.shape[-2:]
    row_weights = rows.weights[row, :height, None]
    target += centre[..., :height, :width] * row_weights * columns.weights[column, :width]


def _batches(windows: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    remaining = iter(windows)
    while batch := list(islice(remaining, size)):
        yield batch
