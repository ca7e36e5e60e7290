"""Overviews of products: both missions, folder and zip, damaged manifests."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely.geometry import shape
from synthetic_safe import NAMES, manifest, safe_files, write_folder, write_zip

from ssl4sar.acquire.safe.overview import read_overview
from ssl4sar.core.errors import UserError

REAL = {
    "S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00.zip": (7, "2.70"),
    "S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_FEC3.zip": (7, "2.36"),
    "S1A_IW_GRDH_1SDV_20210119T031653_20210119T031718_036201_043ED0_8255.zip": (79, "3.31"),
    "S1A_IW_GRDH_1SDV_20260606T181903_20260606T181928_064852_082C02_1C0B.zip": (30, "4.03"),
    "S1B_IW_GRDH_1SDV_20210401T052623_20210401T052648_026269_032297_ECC8.SAFE": (168, "3.31"),
    "S1B_IW_GRDH_1SDV_20211223T051122_20211223T051147_030148_039993_5371.SAFE": (22, "3.40"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_products(test_data: Path, name: str) -> None:
    overview = read_overview(test_data / "sentinel1" / "grdh" / name)
    assert (overview.relative_orbit, overview.processor_version) == REAL[name]
    assert overview.orbit_direction == "descending"
    assert overview.cloud_percent is None
    area = shape(dict(overview.footprint))
    assert area.is_valid
    # A scene is 250 km wide and 170 km long.
    assert 3 < area.area < 8
    assert len(getattr(area, "geoms", [area])) == (2 if "1C0B" in name else 1)


def test_folder_and_zip_tell_the_same(tmp_path: Path) -> None:
    for name in NAMES.values():
        folder, archive = write_folder(tmp_path, name), write_zip(tmp_path, name)
        assert read_overview(folder) == read_overview(archive)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<x>",
        b"<x/>",
        b"<x><coordinates>1,2</coordinates></x>",
        b"<x><coordinates>1,2 3,4 5</coordinates></x>",
        b"<x><coordinates>100,2 101,4 102,6</coordinates></x>",
        b"<x><coordinates>1,1 2,2 3,3</coordinates></x>",
        b"<!DOCTYPE x><x><coordinates>1,2 2,2 3,3</coordinates></x>",
    ],
)
def test_damaged_manifest_is_one_line(tmp_path: Path, content: bytes) -> None:
    folder = write_folder(tmp_path, NAMES["hh"])
    (folder / "manifest.safe").write_bytes(content)
    with pytest.raises(UserError, match="its manifest cannot be read"):
        read_overview(folder)
    (tmp_path / "a.zip").write_bytes(content)
    (tmp_path / "b.SAFE").mkdir()
    for name in ("a.zip", "b.SAFE", "c.SAFE"):
        with pytest.raises(UserError, match="its manifest cannot be read"):
            read_overview(tmp_path / name)


def test_direction_and_track_may_be_unknown(tmp_path: Path) -> None:
    name = NAMES["s2"]
    folder = write_folder(tmp_path, name, direction="")
    text = manifest(name, safe_files(name)).replace(b"relativeOrbitNumber", b"other")
    (folder / "manifest.safe").write_bytes(text.replace(b"DESCENDING", b""))
    overview = read_overview(folder)
    assert (overview.orbit_direction, overview.relative_orbit) == (None, None)
    assert overview.cloud_percent == 12.5
