"""The list of glaciers that the project ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from ssl4sar.acquire.areas import Glacier, area_km2, choose_glaciers, read_glaciers
from ssl4sar.core.pair_layout import (
    BENCHMARK_TEST_GLACIERS,
    is_named_after,
    optical_glacier,
    sar_glacier,
)
from ssl4sar.core.scene_name import GLACIERS, TEST_GLACIERS

FILE: Final = Path(__file__).resolve().parents[2] / "config" / "glaciers.geojson"
GUIDE: Final = FILE.parents[1] / "docs" / "acquisition.md"
#: West, south, east, north of the regions, degrees.
REGIONS: Final = {
    "Svalbard": (10, 76, 34, 81),
    "Greenland, west": (-60, 60, -44, 76),
    "Greenland, east": (-44, 60, -18, 76),
    "Greenland, north-east": (-30, 76, -10, 82),
    "Greenland, north": (-72, 76, -30, 84),
    "Canadian Arctic": (-95, 73, -60, 84),
    "Novaya Zemlya": (50, 70, 70, 78),
    "Franz Josef Land": (44, 79.5, 66, 82),
    "Severnaya Zemlya": (90, 77.5, 108, 82),
    "Alaska": (-170, 58, -130, 72),
    "Antarctic Peninsula": (-70, -70, -55, -62),
}


@pytest.fixture(scope="module")
def glaciers() -> dict[str, Glacier]:
    return read_glaciers(FILE)


def utm_epsg(lon: float, lat: float) -> int:
    """Return the UTM zone of a place, with the wide zones off Svalbard (not that of Norway)."""
    number = int((lon + 180) // 6) % 60 + 1
    if 72 <= lat < 84 and 0 <= lon < 42:
        number = 31 if lon < 9 else 33 if lon < 21 else 35 if lon < 33 else 37
    return (32700 if lat < 0 else 32600) + number


def test_at_least_fourteen_arctic_glaciers_besides_the_benchmark(
    glaciers: dict[str, Glacier],
) -> None:
    arctic = [g for g in glaciers.values() if g.caffe is None and g.area.bounds[1] > 60]
    assert len(arctic) >= 14
    assert len({g.region for g in arctic}) >= 6


def test_flags_are_those_of_the_benchmark(glaciers: dict[str, Glacier]) -> None:
    flags = {name: g.caffe for name, g in glaciers.items() if g.caffe is not None}
    assert flags == {name: "test" if name in TEST_GLACIERS else "train" for name in GLACIERS}
    for glacier in glaciers.values():
        named = is_named_after(glacier.name, BENCHMARK_TEST_GLACIERS)
        assert named == glacier.is_test
        assert is_named_after(glacier.long_name, BENCHMARK_TEST_GLACIERS) == glacier.is_test
    chosen = choose_glaciers(glaciers, (), str(FILE))
    assert {g.name for g in chosen} == set(glaciers) - set(flags)


def test_no_other_area_shows_a_test_glacier(glaciers: dict[str, Glacier]) -> None:
    for test in (g for g in glaciers.values() if g.is_test):
        for other in glaciers.values():
            assert other.is_test or not other.area.intersects(test.area), (other.name, test.name)


def test_sizes_suit_a_front_and_its_surroundings(glaciers: dict[str, Glacier]) -> None:
    for glacier in glaciers.values():
        assert 400 <= area_km2(glacier.area) <= 4000, glacier.name
        assert len(glacier.area.geoms) == 1


def test_zones_are_those_of_the_centres(glaciers: dict[str, Glacier]) -> None:
    for glacier in glaciers.values():
        centre = glacier.area.centroid
        assert glacier.epsg == utm_epsg(centre.x, centre.y), glacier.name


def test_areas_are_in_their_regions(glaciers: dict[str, Glacier]) -> None:
    for glacier in glaciers.values():
        west, south, east, north = glacier.area.bounds
        box = REGIONS[glacier.region]
        assert box[0] <= west < east <= box[2], glacier.name
        assert box[1] <= south < north <= box[3], glacier.name


def test_names_fit_the_file_names_of_the_pairs(glaciers: dict[str, Glacier]) -> None:
    for name in glaciers:
        assert sar_glacier(f"S1_{name}_20200101.png") == name
        assert optical_glacier(f"{name}_20200701.tif") == name


def test_the_guide_lists_every_glacier() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    table = text.split("| name | glacier |")[1].split("\n\n")[0]
    names = [
        name.strip(" *") for row in table.splitlines()[2:] for name in row.split("|")[1].split(",")
    ]
    assert sorted(names) == sorted(read_glaciers(FILE))


def test_the_example_of_the_guide_is_accepted(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.+?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "own.geojson"
    path.write_text(example)
    assert list(read_glaciers(path)) == ["Eqip"]
