"""What a pretext task sees and predicts: SAR, masked input, predicted and true optical images.

Every row is one validation tile. The colours of a row, true and predicted alike, are stretched by
the true image, so that a pale prediction looks pale.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.report.figure_file import axes_at, new_figure, save_figure, text_at

#: Most epochs that get a column.
MOST_EPOCHS: Final = 4
#: Grey of what was not masked and therefore not predicted; no stretched reflectance is purple.
UNPREDICTED: Final = (92, 70, 110)
#: Masked tokens of the input, which stay apart from every grey and from purple.
MASKED: Final = (230, 159, 0)
_CELL_PX: Final = 210
_GAP_PX: Final = 6
_MARGIN_PX: Final = 12
_HEADER_PX: Final = 112
_NAME_PX: Final = 22
_GAMMA: Final = 0.8
_RGB: Final = 3
#: Folders that name task and member of a pretraining.
_NAMED_FOLDERS: Final = 3


@dataclass(frozen=True)
class PretextPanels:
    """Tiles of the validation through the epochs, uint8.

    Attributes:
        epochs: (E,) numbers of the drawn epochs, rising.
        names: N names of the tiles.
        synthetic: whether the images are rendered, not observed.
        sar: (N, S, S) SAR images.
        masked: (N, S, S) not 0 where the network did not see the SAR image and predicts; None
            for a task without a mask.
        true: (N, 3, S, S) true red, green and blue.
        predicted: (E, N, 3, S, S) predictions.
    """

    epochs: tuple[int, ...]
    names: tuple[str, ...]
    synthetic: bool
    sar: NDArray[np.uint8]
    masked: NDArray[np.uint8] | None
    true: NDArray[np.uint8]
    predicted: NDArray[np.uint8]


def read_panels(path: str | Path) -> PretextPanels:
    """Read the npz file that a pretraining wrote; ``masked`` may be missing.

    Raises:
        UserError: the file is missing, damaged, or lacks an array.
    """
    path = Path(path)
    try:
        # Without pickles: a file from elsewhere cannot run code.
        with np.load(path, allow_pickle=False) as arrays:
            return PretextPanels(
                epochs=tuple(int(epoch) for epoch in arrays["epochs"]),
                names=tuple(str(name) for name in arrays["names"]),
                synthetic=bool(arrays["synthetic"]),
                sar=arrays["sar"],
                masked=arrays.get("masked"),
                true=arrays["true"],
                predicted=arrays["predicted"],
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            path, f"these are not panels of a pretraining ({error})", "run the pretraining again"
        ) from error


def drawn_epochs(count: int, most: int = MOST_EPOCHS) -> list[int]:
    """Return which of ``count`` epochs are drawn: the first, the last, and some evenly between."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def stretched(image: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.uint8]:
    """Stretch colours from the 1st to the 99th percentile of a reference, all bands alike.

    Args:
        image: (3, H, W).
        reference: values that fix the stretch, of any shape.

    Returns:
        (H, W, 3) uint8.
    """
    low, high = np.percentile(reference, (1, 99))
    share = np.clip((image - low) / max(high - low, 1.0), 0, 1) ** _GAMMA
    return np.asarray(np.rint(255 * share), np.uint8).transpose(1, 2, 0)


def prediction_picture(
    predicted: NDArray[np.uint8], true: NDArray[np.uint8], masked: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Return a prediction in the colours of the true image.

    Args:
        predicted: (3, H, W) uint8.
        true: (3, H, W) uint8.
        masked: (H, W) uint8, 0 where nothing is predicted, which is painted in ``UNPREDICTED``;
            None: all is predicted.

    Returns:
        (H, W, 3) uint8.
    """
    picture = stretched(predicted, true)
    if masked is not None:
        picture[masked == 0] = UNPREDICTED
    return picture


def masked_picture(masked: NDArray[np.uint8], sar: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the masked input as (H, W, 3) uint8, masked tokens in orange."""
    picture = np.repeat(sar[..., None], _RGB, axis=2)
    picture[masked != 0] = MASKED
    return picture


def draw_panels_of(folder: Path, out: Path | None = None) -> str:
    """Draw the pictures of a pretraining, also of one that is running.

    Args:
        folder: its resume folder, or that of its results: both hold ``pictures.npz``.
        out: PNG file; None: ``pictures.png`` in the folder.

    Returns:
        Which file shows which epochs, for a person.

    Raises:
        UserError: the folder holds no pictures, or they are damaged.
    """
    path = folder / "pictures.npz"
    if not path.is_file():
        raise UserError(
            path,
            "there are no pictures of a pretraining",
            "give its resume folder, e.g. runs/demo/resume/pretrain/opttranslator/seed0; "
            "the first pictures are there after its first epoch",
        )
    panels = read_panels(path)
    out = path.with_suffix(".png") if out is None else out
    draw_panels(out, panels, "/".join(folder.resolve().parts[-_NAMED_FOLDERS:]))
    return f"{out}: {_shown_epochs(panels)}"


def _shown_epochs(panels: PretextPanels) -> str:
    """Return which epochs have a column, and of how many."""
    drawn = drawn_epochs(len(panels.epochs))
    numbers = ", ".join(str(panels.epochs[i]) for i in drawn)
    if len(drawn) < len(panels.epochs):
        return f"{len(drawn)} of {len(panels.epochs)} drawn epochs: {numbers}"
    return f"{'epoch' if len(drawn) == 1 else 'epochs'} {numbers}"


def draw_panels(path: str | Path, panels: PretextPanels, title: str) -> None:
    """Draw one row per tile: SAR, masked input, predictions of some epochs, true image."""
    masks = panels.masked is not None
    epochs = drawn_epochs(len(panels.epochs))
    heads = ["SAR", *(["masked input"] if masks else [])]
    heads += [f"predicted\nepoch {panels.epochs[i]}" for i in epochs[:-1]]
    heads += [f"predicted\nepoch {panels.epochs[epochs[-1]]} (last)", "true\noptical image"]
    rows, columns = len(panels.names), len(heads)
    width_px = 2 * _MARGIN_PX + columns * _CELL_PX + (columns - 1) * _GAP_PX
    height_px = _HEADER_PX + rows * (_CELL_PX + _NAME_PX) + _MARGIN_PX
    figure = new_figure(width_px, height_px)
    shown = f"SYNTHETIC images: {title}" if panels.synthetic else title
    text_at(figure, 10, shown, fontsize=14)
    note = f"{_shown_epochs(panels)}; red, green and blue, stretched alike within a row"
    if masks:
        note += "\nmasked tokens are orange; only they are predicted, all others are purple"
    text_at(figure, 34, note, fontsize=10)
    for row, name in enumerate(panels.names):
        top_px = _HEADER_PX + row * (_CELL_PX + _NAME_PX)
        for column, picture in enumerate(_row(panels, row, epochs)):
            left_px = _MARGIN_PX + column * (_CELL_PX + _GAP_PX)
            axes = axes_at(figure, left_px, top_px, (_CELL_PX, _CELL_PX))
            _show(axes, picture)
            if row == 0:
                axes.set_title(heads[column], fontsize=10.5, pad=4)
        left = _MARGIN_PX / width_px
        text_at(figure, top_px + _CELL_PX + 3, name, left, ha="left", fontsize=9)
    save_figure(figure, path)


def shown_mask(panels: PretextPanels, row: int) -> NDArray[np.uint8] | None:
    """Return the (S, S) mask of a tile; beyond its image there is nothing to mask or predict."""
    if panels.masked is None:
        return None
    inside = (panels.sar[row] > 0) | panels.true[row].any(axis=0)
    return np.where(inside, panels.masked[row], np.uint8(0))


def _row(panels: PretextPanels, row: int, epochs: list[int]) -> list[NDArray[np.uint8]]:
    true, masked = panels.true[row], shown_mask(panels, row)
    pictures = [panels.sar[row]]
    if masked is not None:
        pictures.append(masked_picture(masked, panels.sar[row]))
    pictures += [prediction_picture(panels.predicted[i, row], true, masked) for i in epochs]
    return [*pictures, stretched(true, true)]


def _show(axes: Axes, picture: NDArray[np.uint8]) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#888888")
        spine.set_linewidth(0.6)
