"""The card of a dataset that was built: what is in it, from where, and how it was made."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from ssl4sar.core.atomic import write_text
from ssl4sar.core.image import read_image
from ssl4sar.core.pair_layout import PAIR_SPLITS, SAR_FOLDERS
from ssl4sar.dataset.built_manifest import CARD_PICTURE
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.report.degrees import label_degrees
from ssl4sar.report.figure_file import label_days, new_figure, run_colour, save_figure

CARD, PICTURE = "README.md", CARD_PICTURE
#: Images whose grey values are counted, evenly over the dataset.
_COUNTED: Final = 40
_SYNTHETIC: Final = (
    "**SYNTHETIC**: every image was rendered by the scene model of ssl4sar and processed like an "
    "observation. No pixel is one. Do not compare numbers from it with numbers from others."
)
_OBSERVED: Final = "Contains modified Copernicus Sentinel data."


def write_dataset_card(manifest: PairManifest) -> None:
    """Write ``README.md`` and its picture into the root of a dataset.

    Args:
        manifest: as :func:`ssl4sar.stack.pairs.build_pairs` returns it.

    Raises:
        UserError: the folder cannot be written.
    """
    root = Path(manifest.root)
    _draw(root / PICTURE, manifest)
    write_text(root / CARD, card_text(manifest))


def card_text(manifest: PairManifest) -> str:
    """Return the card as Markdown."""
    images = manifest.sar
    days = sorted(image.date for image in images if image.date)
    first = images[0].processing or {}
    mapping = first.get("mapping", {})
    counts = Counter((image.glacier, image.split) for image in images)
    rows = [
        f"| {each.glacier} | {counts[each.glacier, 'train']} | {counts[each.glacier, 'val']} | "
        f"{each.height} x {each.width} | {each.spacing_m:g} | {each.crs} | {each.date} |"
        for each in manifest.optical
    ]
    platforms = _tally("platform", manifest)
    tracks = Counter(
        f"{part.get('relative_orbit')} {part.get('orbit_pass')}" for part in _processing(manifest)
    )
    return "\n".join(
        [
            "# Sentinel-1 images with an optical partner per glacier",
            "",
            _SYNTHETIC if manifest.synthetic else _OBSERVED,
            "",
            f"{len(images)} images of {len(manifest.optical)} glaciers, {days[0]} to {days[-1]}; "
            + ", ".join(f"{len(manifest.images(split))} {split}" for split in PAIR_SPLITS)
            + ". Made by ssl4sar; every file is in `dataset.json` with its hash, the raw product "
            "it was made from, and all settings.",
            "",
            "![images over time, grey values, places](" + PICTURE + ")",
            "",
            "| glacier | train | val | rows x columns | pixel (m) | CRS | optical image |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "| what | value |",
            "|---|---|",
            f"| satellites | {platforms} |",
            f"| tracks | {len(tracks)} |",
            f"| mode, polarisation | {_tally('mode', manifest)}; "
            f"{_tally('polarisation', manifest)} |",
            f"| backscatter | {_tally('quantity', manifest)}, thermal noise: "
            f"{_tally('noise', manifest)} |",
            f"| elevation | heights above the {_tally('elevation_datum', manifest)} |",
            f"| 8 bits | 1 to 255 are {mapping.get('low_db')} to {mapping.get('high_db')} dB, "
            "0 is no data |",
            f"| processors | {_tally('processor_version', manifest)} |",
            f"| shifted by what was measured | "
            f"{sum(part.get('moved_px') is not None for part in _processing(manifest))} images |",
            f"| left out | {len(manifest.left_out)} scenes; `dataset.json` says why |",
            "",
            "Folders are those of the SSL4SAR dataset (Gourmelon et al. 2025, "
            "doi:10.1109/TGRS.2025.3580945): "
            + ", ".join(f"`{folder}`" for folder in SAR_FOLDERS.values())
            + ", `data_optical` (15 bands; reflectance x 10000, AOT and WVP x 1000, SCL a code). "
            "How the published images were processed is unknown, so these need not agree with "
            "them.",
            "",
        ]
    )


def _processing(manifest: PairManifest) -> list[dict[str, Any]]:
    return [image.processing or {} for image in manifest.sar]


def _tally(key: str, manifest: PairManifest) -> str:
    found = Counter(str(part.get(key)) for part in _processing(manifest))
    return ", ".join(f"{value} ({count})" for value, count in sorted(found.items()))


def _draw(path: Path, manifest: PairManifest) -> None:
    figure = new_figure(1200, max(360, 200 + 22 * len(manifest.optical)))
    kind = "SYNTHETIC images" if manifest.synthetic else "Images"
    figure.suptitle(f"{kind}: {len(manifest.sar)} of {len(manifest.optical)} glaciers", fontsize=13)
    layout = figure.add_gridspec(1, 3, left=0.1, right=0.98, top=0.84, bottom=0.16, wspace=0.3)
    _draw_days(figure.add_subplot(layout[0]), manifest)
    _draw_grey(figure.add_subplot(layout[1]), manifest)
    _draw_places(figure.add_subplot(layout[2]), manifest)
    save_figure(figure, path)


def _draw_days(axes: Axes, manifest: PairManifest) -> None:
    for number, split in enumerate(PAIR_SPLITS):
        images = [image for image in manifest.images(split) if image.date]
        days = np.array([image.date for image in images], "datetime64[D]")
        rows = [manifest.glaciers.index(image.glacier) for image in images]
        axes.plot(days, rows, "|", color=run_colour(number), label=split)
    axes.set_yticks(range(len(manifest.glaciers)), manifest.glaciers, fontsize=8)
    axes.set_ylim(len(manifest.glaciers) - 0.4, -0.6)
    label_days(axes, 2, 5)
    axes.set_title("images over time", fontsize=10)
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.09), "ncols": 2}
    axes.legend(fontsize=8, frameon=False, **below)


def _draw_grey(axes: Axes, manifest: PairManifest) -> None:
    step = max(1, math.ceil(len(manifest.sar) / _COUNTED))
    counts = np.zeros(256)
    for image in manifest.sar[::step]:
        counts += np.bincount(read_image(manifest.path(image)).pixels.ravel(), minlength=256)
    share = 100 * counts / max(counts.sum(), 1)
    axes.bar(np.arange(256), share, width=1.0, color=run_colour(0))
    axes.set_xlabel("grey value")
    axes.set_ylabel("pixels (%)")
    counted = len(manifest.sar[::step])
    axes.set_title(f"grey values of {counted} images; 0 is no data", fontsize=10)


def _draw_places(axes: Axes, manifest: PairManifest) -> None:
    from rasterio.warp import transform

    for each in manifest.optical:
        grid = each.grid
        if grid is None or grid.crs is None:
            continue
        x, y = grid.place(grid.width / 2, grid.height / 2)
        (lon,), (lat,) = transform(grid.crs, "EPSG:4326", [x], [y])
        axes.plot(lon, lat, "o", color=run_colour(0), markersize=4)
        axes.annotate(
            each.glacier,
            (lon, lat),
            fontsize=7,
            # Names of neighbours pass each other.
            rotation=40,
            xytext=(2, 3),
            textcoords="offset points",
        )
    axes.margins(0.25)
    label_degrees(axes, 8)
    axes.set_title("places", fontsize=10)
