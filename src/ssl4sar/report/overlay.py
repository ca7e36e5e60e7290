"""Fronts on the SAR image of a scene.

Lines are painted in pixels of the PICTURE, so that they keep their width however large the scene
is. The labelled front is the broad line below, the predicted one the narrow line above: where
they agree, both are seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ssl4sar.report.figure_file import axes_at, draw_scale_bar, new_figure, save_figure, text_at
from ssl4sar.report.scene_view import SceneView

# Okabe and Ito's orange and sky blue stay apart for colour-blind readers, and neither is a grey.
PREDICTED_COLOUR: Final = (230, 159, 0)
TRUE_COLOUR: Final = (86, 180, 233)
BOX_COLOUR: Final = "white"
_TITLE_PX: Final = 58
_LEGEND_PX: Final = 34
_MARGIN_PX: Final = 8
_MINIMUM_WIDTH_PX: Final = 560
#: Grey values are raised to this power, which shows dark fjords and ice in bright scenes.
_GAMMA: Final = 0.7
#: Line radii as shares of the picture's longest side, and their least size in pixels.
_TRUE_RADIUS: Final = (0.0066, 4.8)
_PREDICTED_RADIUS: Final = (0.0026, 1.8)
_HALO_PX: Final = 1.0


def write_overlay(path: str | Path, view: SceneView, longest_px: int) -> None:
    """Draw a scene with its predicted and labelled front, atomically.

    Args:
        path: PNG file.
        view: the scene.
        longest_px: longest side of the SAR image in the picture, pixels.
    """
    height_px, width_px = picture_shape(view.sar.shape, longest_px)
    figure_width_px = max(width_px + 2 * _MARGIN_PX, _MINIMUM_WIDTH_PX)
    figure = new_figure(figure_width_px, height_px + _TITLE_PX + _LEGEND_PX)
    axes = axes_at(figure, (figure_width_px - width_px) / 2, _TITLE_PX, (height_px, width_px))
    draw_fronts(axes, view, (height_px, width_px))
    text_at(figure, 8, f"{view.labels.name}\n{view.error_text}", fontsize=12, linespacing=1.4)
    figure.legend(
        handles=front_legend(),
        loc="lower center",
        ncols=3,
        frameon=False,
        fontsize=11,
        borderaxespad=0.2,
    )
    save_figure(figure, path)


def draw_fronts(axes: Axes, view: SceneView, shape: tuple[int, int]) -> None:
    """Draw SAR image, fronts, box, scale bar and, for rendered scenes, the word SYNTHETIC.

    Args:
        axes: where to draw; its extent becomes that of the image.
        view: the scene.
        shape: height and width of the image in the picture, pixels.
    """
    axes.imshow(front_picture(view, shape), interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    _draw_box(axes, view, shape)
    draw_scale_bar(axes, view.sar.shape[1] * view.labels.spacing_m / 1000, shape)
    if view.synthetic:
        axes.text(
            0.012,
            0.985,
            "SYNTHETIC",
            transform=axes.transAxes,
            ha="left",
            va="top",
            fontsize=15,
            fontweight="bold",
            color="black",
            bbox={"facecolor": "#F0E442", "edgecolor": "black", "pad": 4},
        )


def front_legend() -> list[Line2D]:
    """Return legend entries for the two fronts and the box."""
    return [
        Line2D([], [], color=rgb_share(TRUE_COLOUR), linewidth=6, label="labelled front"),
        Line2D([], [], color=rgb_share(PREDICTED_COLOUR), linewidth=3, label="predicted front"),
        Line2D([], [], color="#555555", linewidth=1.5, linestyle="--", label="bounding box"),
    ]


def picture_shape(shape: tuple[int, ...], longest_px: int) -> tuple[int, int]:
    """Return height and width of a scene in a picture whose longest side is ``longest_px``."""
    height_px, width_px = shape
    factor = longest_px / max(height_px, width_px)
    return max(round(height_px * factor), 1), max(round(width_px * factor), 1)


def front_picture(view: SceneView, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Paint both fronts on the SAR image.

    Args:
        view: the scene.
        shape: height and width of the picture, pixels.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    grey = stretch(resize_grey(view.sar, shape))
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    longest_px = max(shape)
    for front, colour, (share, least_px) in (
        (view.labels.front, TRUE_COLOUR, _TRUE_RADIUS),
        (view.predicted_front, PREDICTED_COLOUR, _PREDICTED_RADIUS),
    ):
        distance_px = _distance_to_front(front, shape)
        radius_px = max(share * longest_px, least_px)
        picture[distance_px <= radius_px + _HALO_PX] = 0
        picture[distance_px <= radius_px] = colour
    return picture


def resize_grey(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resample (H, W) uint8 to ``shape``: averaged when it shrinks, pixels kept when it grows."""
    shrinks = shape[0] * shape[1] < image.size
    method = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    return np.array(Image.fromarray(image).resize((shape[1], shape[0]), method))


def stretch(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Spread the grey values of (H, W) uint8 over 0-255 and lift the dark ones.

    The 1st and 99th percentile of what is not 0 (outside the swath) become black and white.
    """
    low, high = np.percentile(grey[grey > 0], (1, 99)) if grey.any() else (0.0, 1.0)
    if high <= low:
        return grey
    scaled = np.clip((grey.astype(np.float32) - low) / (high - low), 0, 1)
    return (scaled**_GAMMA * 255).astype(np.uint8)


def _distance_to_front(front: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the distance of every pixel of a picture to a front of the scene, picture pixels."""
    if not front.any():
        return np.full(shape, np.inf, np.float32)
    away = ndimage.distance_transform_edt(~front, sampling=np.divide(shape, front.shape))
    image = Image.fromarray(away.astype(np.float32))
    # Interpolated, so that the line has no gaps in a picture larger than its scene.
    return np.array(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _draw_box(axes: Axes, view: SceneView, shape: tuple[int, int]) -> None:
    rows, columns = view.labels.box_window
    row_factor = shape[0] / view.sar.shape[0]
    column_factor = shape[1] / view.sar.shape[1]
    left, right = columns.start * column_factor, columns.stop * column_factor
    top, bottom = rows.start * row_factor, rows.stop * row_factor
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=BOX_COLOUR,
            linewidth=1.5,
            linestyle=(0, (5, 4)),
            path_effects=[withStroke(linewidth=3, foreground="black", alpha=0.6)],
        )
    )


def rgb_share(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return an RGB colour of 0-255 as shares of 0-1."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
