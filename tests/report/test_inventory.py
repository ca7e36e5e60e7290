"""The overview picture of inventories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ssl4sar.acquire.product import OrbitDirection, Product
from ssl4sar.report import inventory
from ssl4sar.report.figure_file import save_figure
from ssl4sar.report.inventory import draw_inventories

START = datetime(2019, 1, 3, tzinfo=UTC)
ASCENDING, DESCENDING, OPTICAL = "#0072B2", "#E69F00", "#CC3311"


def scene(
    day: int = 0,
    *,
    direction: OrbitDirection | None = "ascending",
    orbit: int | None = 14,
    size_bytes: int | None = 10**9,
    online: bool = True,
    provider: str = "cdse",
    name: str | None = None,
) -> Product:
    start = START + timedelta(days=day)
    return Product(
        provider=provider,
        id=f"{day}",
        name=name or f"S1A_{day}_{orbit}_{direction}",
        mission="sentinel-1",
        platform="S1A",
        product_type="IW_GRDH_1S",
        start=start,
        stop=start + timedelta(seconds=25),
        relative_orbit=orbit,
        orbit_direction=direction,
        size_bytes=size_bytes,
        online=online,
    )


def image(day: int = 200, *, online: bool = True) -> Product:
    return replace(
        scene(day, online=online, direction=None, orbit=None),
        name=f"S2A_{day}",
        mission="sentinel-2",
        platform="S2A",
        product_type="S2MSI2A",
    )


def coloured_px(path: Path, colour: str) -> int:
    rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    picture = np.array(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(picture - rgb).max(axis=2) < 30).sum())


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return all the texts of the figures that are drawn, filled when they are written."""
    found: list[str] = []

    def keep(figure: Figure, path: str | Path) -> None:
        save_figure(figure, path)
        shown = [*figure.texts, *(label for axes in figure.axes for label in axes.texts)]
        shown += [label for axes in figure.axes for label in axes.get_yticklabels()]
        shown += [label for legend in figure.legends for label in legend.get_texts()]
        shown += [axes.title for axes in figure.axes]
        found.extend(text.get_text() for text in shown)
        found.append(figure.get_suptitle())

    monkeypatch.setattr(inventory, "save_figure", keep)
    return found


def test_passes_have_their_colours(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    draw_inventories(path, {"Aa": [scene(day) for day in range(0, 60, 6)]})
    assert coloured_px(path, ASCENDING) > 40
    assert coloured_px(path, DESCENDING) == 0
    assert coloured_px(path, OPTICAL) == 0
    draw_inventories(
        path,
        {"Aa": [scene(direction="descending"), scene(6, direction=None, orbit=None), image()]},
    )
    assert coloured_px(path, DESCENDING) > 10  # a dot, and that of the legend
    assert coloured_px(path, OPTICAL) > 50


def test_offline_scenes_are_hollow_and_a_gap_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    days = [*range(0, 300, 6), *range(600, 900, 6)]
    draw_inventories(path, {"Aa": [scene(day) for day in days]})
    blue = np.array(Image.open(path).convert("RGB")).astype(int)
    columns = np.flatnonzero((np.abs(blue - (0x00, 0x72, 0xB2)).max(axis=2) < 30)[:210].any(axis=0))
    gap = int(np.diff(columns).max())
    assert gap / (columns[-1] - columns[0]) == pytest.approx(306 / 894, abs=0.02)
    full = coloured_px(path, ASCENDING)
    draw_inventories(path, {"Aa": [scene(day, online=False) for day in days]})
    assert coloured_px(path, ASCENDING) < 0.8 * full


def test_numbers_stand_beside_the_rows(tmp_path: Path, texts: list[str]) -> None:
    draw_inventories(
        tmp_path / "one.png",
        {
            "Aa": [scene(), scene(6), scene(30, online=False), image()],
            "Bb": [scene(2, size_bytes=None, orbit=15)],
        },
    )
    assert texts.count("3") == 1
    assert "4 GB" in texts
    assert "24 d" in texts
    assert "unknown" in texts
    title = next(text for text in texts if "Sentinel-1 scene" in text)
    assert title == "4 Sentinel-1 scenes and 1 Sentinel-2 image of 2 glaciers, at least 4 GB"
    assert "offline" in texts
    assert texts.index("Aa") < texts.index("Bb")


def test_a_scene_of_two_glaciers_counts_once(tmp_path: Path, texts: list[str]) -> None:
    shared = scene(name="S1A_SHARED")
    draw_inventories(tmp_path / "one.png", {"Aa": [shared], "Bb": [shared, scene(6)]})
    assert "2 Sentinel-1 scenes and 0 Sentinel-2 images of 2 glaciers, 2 GB" in texts
    assert any("1 repeats" in text for text in texts)


def test_unknown_sizes_are_no_zeros(tmp_path: Path, texts: list[str]) -> None:
    products = {
        "Store": [scene(size_bytes=None)],
        "Helheim": [scene(3, size_bytes=None), scene(9, size_bytes=2 * 10**9)],
        "Belcher": [],
    }
    draw_inventories(tmp_path / "sizes.png", products)
    assert {"unknown", "≥ 2 GB", "0 B"} <= set(texts)
    assert "3 Sentinel-1 scenes and 0 Sentinel-2 images of 3 glaciers, at least 2 GB" in texts
    draw_inventories(tmp_path / "none.png", {"Store": products["Store"]})
    assert "1 Sentinel-1 scene and 0 Sentinel-2 images of 1 glacier, of unknown size" in texts


def test_synthetic_products_are_called_so(tmp_path: Path, texts: list[str]) -> None:
    draw_inventories(tmp_path / "one.png", {"Aa": [scene(provider="synthetic")]})
    assert any(text.startswith("SYNTHETIC: 1 Sentinel-1 scene and") for text in texts)
    texts.clear()
    draw_inventories(tmp_path / "two.png", {"Aa": [scene()]})
    assert not any("SYNTHETIC" in text for text in texts)


def test_test_glaciers_are_marked(tmp_path: Path, texts: list[str]) -> None:
    products = {"Aa": [scene()], "COL": [scene(3)]}
    draw_inventories(tmp_path / "one.png", products, test_glaciers=("COL", "Mapple"))
    assert any("test glacier of CaFFe" in text for text in texts)
    texts.clear()
    draw_inventories(tmp_path / "two.png", {"Aa": [scene()]}, test_glaciers=("COL",))
    assert not any("test glacier of CaFFe" in text for text in texts)


@pytest.mark.parametrize("products", [{}, {"Aa": []}, {"Aa": [], "Bb": []}])
def test_nothing_found_is_reported(
    tmp_path: Path, texts: list[str], products: dict[str, list[Product]]
) -> None:
    draw_inventories(tmp_path / "one.png", products)
    assert "no product" in texts


def test_a_long_name_leaves_room(tmp_path: Path) -> None:
    draw_inventories(tmp_path / "long.png", {"W" + "w" * 39: [scene()], "Aa": [scene()]})
    edge = np.array(Image.open(tmp_path / "long.png").convert("L"))[:, 0]
    assert (edge == 255).all()
    assert coloured_px(tmp_path / "long.png", ASCENDING) > 10
