"""The map of the areas of interest."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import Glacier, read_glaciers
from ssl4sar.report import glacier_map
from ssl4sar.report.figure_file import save_figure
from ssl4sar.report.glacier_map import draw_areas

SHIPPED: Final = Path(__file__).resolve().parents[2] / "config" / "glaciers.geojson"
ORDINARY, TRAIN, TEST = "#0072B2", "#009E73", "#D55E00"


def glacier(name: str, lon: float, lat: float, caffe: str | None = None) -> Glacier:
    area = MultiPolygon([box(lon - 0.5, lat - 0.2, lon + 0.5, lat + 0.2)])
    return Glacier(name, name, "somewhere", area, 32633, caffe=caffe)


def coloured_px(path: Path, colour: str) -> int:
    rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    picture = np.array(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(picture - rgb).max(axis=2) < 30).sum())


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the figures that are drawn, filled when they are written."""
    found: list[Figure] = []

    def keep(figure: Figure, path: str | Path) -> None:
        save_figure(figure, path)
        found.append(figure)

    monkeypatch.setattr(glacier_map, "save_figure", keep)
    return found


def labels(figure: Figure, names: set[str]) -> dict[str, Text]:
    return {
        text.get_text(): text
        for axes in figure.axes
        for text in axes.texts
        if text.get_text() in names
    }


def extents(figure: Figure, found: dict[str, Text]) -> dict[str, Bbox]:
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    # Without the line to the dot.
    return {name: Text.get_window_extent(text, renderer) for name, text in found.items()}


@pytest.mark.parametrize(
    ("lat", "kind", "colour"), [(79, None, ORDINARY), (79, "train", TRAIN), (-65, "test", TEST)]
)
def test_kinds_of_glaciers_have_their_colours(
    tmp_path: Path, lat: float, kind: str | None, colour: str
) -> None:
    path = tmp_path / "one.png"
    draw_areas(path, [glacier("Aa", 12, lat, kind)])
    counts = {other: coloured_px(path, other) for other in (ORDINARY, TRAIN, TEST)}
    assert counts.pop(colour) > 60
    assert set(counts.values()) == {0}


def test_names_of_the_shipped_list_neither_overlap_nor_leave_the_picture(
    tmp_path: Path, figures: list[Figure]
) -> None:
    glaciers = read_glaciers(SHIPPED)
    draw_areas(tmp_path / "one.png", list(glaciers.values()))
    (figure,) = figures
    found = labels(figure, set(glaciers))
    assert set(found) == set(glaciers)
    boxes = extents(figure, found)
    whole = figure.bbox
    for name, extent in boxes.items():
        assert whole.x0 <= extent.x0 < extent.x1 <= whole.x1, name
        assert whole.y0 <= extent.y0 < extent.y1 <= whole.y1, name
    for one, two in combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[two]), (one, two)


@pytest.mark.parametrize("lat", [61.0, -65.0])
@pytest.mark.parametrize("count", [1, 60])
def test_names_of_a_crowd_do_not_overlap(
    tmp_path: Path, figures: list[Figure], count: int, lat: float
) -> None:
    names = {f"Glacier{number:02d}{'x' * (number % 30)}" for number in range(count)}
    crowd = [
        glacier(name, 178 + 0.01 * number, lat - 0.002 * number)
        for number, name in enumerate(sorted(names))
    ]
    draw_areas(tmp_path / "one.png", crowd)
    (figure,) = figures
    boxes = list(extents(figure, labels(figure, names)).values())
    assert len(boxes) == count
    whole = figure.bbox
    # Title and legend stand in the outermost 40 pixels.
    assert all(whole.x0 <= b.x0 and b.x1 <= whole.x1 for b in boxes)
    assert all(whole.y0 + 40 <= b.y0 and b.y1 <= whole.y1 - 40 for b in boxes)
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))


@pytest.mark.parametrize("lat", [71.0, -72.0])
def test_an_area_across_the_antimeridian_stays_together(
    tmp_path: Path, figures: list[Figure], lat: float
) -> None:
    halves = MultiPolygon([box(179, lat, 180, lat + 1), box(-180, lat, -179, lat + 1)])
    draw_areas(tmp_path / "one.png", [Glacier("Across", "Across", "s", halves, 32601)])
    (axes,) = figures[0].axes
    (dot,) = (line.get_xydata() for line in axes.lines if line.get_marker() == "o")
    if lat > 0:
        np.testing.assert_allclose(np.abs(dot), [[np.pi, 90 - 71.5]])
    else:
        np.testing.assert_allclose(np.abs(dot), [[180, 71.5]])
        # True to scale in the middle.
        x0, x1, y0, y1 = *axes.get_xlim(), *axes.get_ylim()
        assert 2 < x1 - x0 < 8
        assert (x1 - x0) * np.cos(np.radians(71.5)) == pytest.approx(y1 - y0)


def test_an_empty_list_is_an_empty_map(tmp_path: Path, figures: list[Figure]) -> None:
    draw_areas(tmp_path / "one.png", [], title="none")
    assert any(text.get_text() == "none" for text in figures[0].texts)
