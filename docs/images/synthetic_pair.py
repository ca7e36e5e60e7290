"""Draw docs/images/synthetic_pair.png: one SYNTHETIC glacier as radar and optical sensor see it.

python docs/images/synthetic_pair.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import rasterio
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.gray_png import read_gray
from ssl4sar.report.figure_file import new_figure, save_figure
from ssl4sar.synthetic.optical import BANDS, SCL_BAND
from ssl4sar.synthetic.pairs import OpticalPlan, SarPlan, plan_pairs, render_pair_image

GLACIERS: Final = ("Synthetic04", "Synthetic14")
_LABEL: Final = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
#: Code, name and colour of the classes in the rendered images.
CLASSES: Final = (
    (2, "in shade", "#404040"),
    (3, "cloud shadow", "#654321"),
    (5, "bare", "#e8d44d"),
    (6, "water", "#2255dd"),
    (7, "unclassified", "#909090"),
    (8, "thin cloud", "#c8c8c8"),
    (9, "cloud", "#ffffff"),
    (11, "snow or ice", "#ff96ff"),
)


def colours(image: NDArray[np.float32], names: tuple[str, ...], white: float) -> NDArray[np.uint8]:
    """Return three bands of an optical image as (H, W, 3) uint8; no data is black."""
    bands = np.nan_to_num(np.stack([image[BANDS.index(name)] for name in names], axis=2))
    tops = np.array([0.45 if name in {"B11", "B12"} else 1.0 for name in names]) * white
    return np.rint(255 * np.clip(bands / tops, 0, 1) ** 0.8).astype(np.uint8)


def main() -> None:
    """Render two glaciers and draw a row of pictures of each."""
    config = PairSceneConfig()
    figure = new_figure(1080, 600)
    axes = figure.subplots(len(GLACIERS), 4)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.9, bottom=0.05, wspace=0.03, hspace=0.04)
    heads = ("Sentinel-1 (grey)", "B4, B3, B2", "B11, B8, B3", "SCL")
    norm = BoundaryNorm([*(code - 0.5 for code, *_ in CLASSES), 11.5], len(CLASSES))
    with TemporaryDirectory() as folder:
        for index, glacier in enumerate(GLACIERS):
            row = axes[index]
            plans = [plan for plan in plan_pairs(config) if plan.glacier == glacier]
            optical = next(plan for plan in plans if isinstance(plan, OpticalPlan))
            passes = [plan for plan in plans if isinstance(plan, SarPlan)]
            sar = min(passes, key=lambda plan: abs((plan.day - optical.day).days))
            for plan in (sar, optical):
                render_pair_image(config, plan, Path(folder))
            with rasterio.open(Path(folder) / optical.file) as file:
                image = file.read()
            row[0].imshow(read_gray(Path(folder) / sar.file), cmap="gray", vmin=0, vmax=255)
            row[1].imshow(colours(image, ("B4", "B3", "B2"), 10_500))
            row[2].imshow(colours(image, ("B11", "B8", "B3"), 9500))
            row[3].set_facecolor("black")
            row[3].imshow(image[SCL_BAND], cmap=ListedColormap([c for *_, c in CLASSES]), norm=norm)
            for ax, text in zip(row, (sar.day, optical.day, optical.day, optical.day), strict=True):
                ax.text(0.02, 0.02, str(text), transform=ax.transAxes, fontsize=8, bbox=_LABEL)
            if index == 0:
                for ax, head in zip(row, heads, strict=True):
                    ax.set_title(head, fontsize=11)
            for ax in row:
                ax.set_xticks([])
                ax.set_yticks([])
    figure.suptitle("SYNTHETIC glaciers of the scene model, about 9 km wide, 20 m pixels", y=0.99)
    patches = [Patch(facecolor=c, edgecolor="#666666", label=name) for _, name, c in CLASSES]
    figure.legend(handles=patches, loc="lower right", ncols=8, frameon=False, fontsize=9)
    save_figure(figure, Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
