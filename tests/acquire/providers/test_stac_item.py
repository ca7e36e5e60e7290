"""Items as products: bands by three ways of naming, multihashes, names of files."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.acquire.providers.stac_item import (
    BAND_ASSETS,
    file_name,
    optical_assets,
    parse_multihash,
)
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.pair_layout import BANDS


def test_bands_have_the_names_of_earth_search() -> None:
    assert tuple(BAND_ASSETS) == BANDS
    assert BAND_ASSETS["B1"] == "coastal"
    assert BAND_ASSETS["B4"] == "red"
    assert BAND_ASSETS["B8"] == "nir"
    assert BAND_ASSETS["B8A"] == "nir08"
    assert BAND_ASSETS["B9"] == "nir09"
    assert BAND_ASSETS["B12"] == "swir22"
    assert BAND_ASSETS["SCL"] == "scl"


@pytest.mark.parametrize(
    ("keys", "asset"),
    [
        (["red", "red-jp2"], "red"),
        (["B04", "B08"], "B04"),
        (["B04_60m", "B04_20m", "B04_10m"], "B04_10m"),
    ],
)
def test_three_ways_of_naming(keys: list[str], asset: str) -> None:
    assert optical_assets(dict.fromkeys(keys, "u"), ("B4",)) == (asset,)
    with pytest.raises(KeyError, match="B8A"):
        optical_assets(dict.fromkeys(keys, "u"), ("B8A",))


@given(st.binary())
def test_multihashes_of_known_algorithms(content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    assert parse_multihash("1220" + sha256) == Checksum("sha256", sha256)
    md5 = hashlib.md5(content).hexdigest()
    assert parse_multihash("d50110" + md5) == Checksum("md5", md5)
    sha1 = hashlib.sha1(content).hexdigest()
    assert parse_multihash("1114" + sha1) is None


@pytest.mark.parametrize(
    ("asset", "url", "name"),
    [
        ("red", "https://h/a/B04.tif", "red.tif"),
        ("red", "https://h/a/B04.tif?sig=a/b.exe", "red.tif"),
        ("item.json", "https://h/a.json", "item.json"),
        ("red", "https://h/a/download", "red"),
        ("red", "https://h/a/..%2f..%2fx.y%2fz", "red"),
    ],
)
def test_names_of_files(asset: str, url: str, name: str) -> None:
    assert file_name(asset, url) == name


@pytest.mark.parametrize("asset", ["../red", ".red", "a/b", "", "x" * 100])
def test_assets_cannot_lead_elsewhere(asset: str) -> None:
    with pytest.raises(ValueError, match="the asset is called"):
        file_name(asset, "https://h/a.tif")
