"""Turning a training crop by any angle, stretching and bending it.

Few glaciers give few shapes, which a network learns by heart; this gives it others. Not part of the
published recipe (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945).
"""

from __future__ import annotations

import math
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from ssl4sar.train.loop.sampling import REACH, Warp

_NODES: Final = 4


def sampling_grid(warp: Warp, side_px: int, device: torch.device) -> Tensor:
    """Return where each pixel of the result is in the crop that was cut for it.

    Args:
        warp: the warp.
        side_px: side S of the result, pixels.
        device: where the grid is needed.

    Returns:
        (S, S, 2) float32, x and y with -1 and 1 at the edges of a crop of ``REACH`` sides.
    """
    centres = (torch.arange(side_px) + 0.5) / side_px - 0.5
    source = torch.Generator().manual_seed(warp.seed)
    nodes = torch.randn((1, 2, _NODES, _NODES), generator=source)
    shifts = interpolate(nodes, (side_px, side_px), mode="bicubic", align_corners=True)[0]
    rows = centres[:, None] * warp.stretch + warp.bend * shifts[0]
    columns = centres[None, :] / warp.stretch + warp.bend * shifts[1]
    cosine, sine = math.cos(warp.angle_rad), math.sin(warp.angle_rad)
    turned = (cosine * columns - sine * rows, sine * columns + cosine * rows)
    return (torch.stack(turned, dim=-1) * (2 / REACH)).to(device)


def warped(image: Tensor, grid: Tensor, mode: Literal["bilinear", "nearest"]) -> Tensor:
    """Sample an image at a grid, mirrored beyond its edges.

    Args:
        image: (R, R) float, or uint8 with ``nearest``.
        grid: (S, S, 2) of :func:`sampling_grid`.
        mode: interpolation.

    Returns:
        (S, S) of the type of ``image``.
    """
    sampled = grid_sample(
        image[None, None].float(), grid[None], mode, padding_mode="reflection", align_corners=False
    )
    return sampled[0, 0].to(image.dtype)
