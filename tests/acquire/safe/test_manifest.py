from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest
from cdse_server import made_safe, manifest_of
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.acquire.safe.manifest import (
    ManifestFile,
    needed_files,
    parse_manifest,
    read_manifest,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum


def real_manifests(test_data: Path) -> dict[str, bytes]:
    folder = test_data / "sentinel1" / "grdh"
    found = {path.parent.stem: path.read_bytes() for path in folder.glob("*.SAFE/manifest.safe")}
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            found[path.stem] = archive.read(f"{path.stem}.SAFE/manifest.safe")
    assert len(found) == 6
    return found


def test_real_manifests_list_size_and_checksum_of_every_file(test_data: Path) -> None:
    for name, content in real_manifests(test_data).items():
        files = parse_manifest(content, name)
        # As many as the text has, by another way of counting.
        assert len(files) == len(re.findall(rb"<byteStream ", content))
        assert all(file.size_bytes and file.checksum for file in files)
        assert {file.checksum.algorithm for file in files if file.checksum} == {"md5"}
        assert sum(file.path.startswith("measurement/") for file in files) == 2


def test_files_of_a_real_product_agree_with_its_manifest(test_data: Path) -> None:
    folder = next((test_data / "sentinel1" / "grdh").glob("S1B*5371.SAFE"))
    compared = 0
    for file in read_manifest(folder / "manifest.safe"):
        path = folder / file.path
        if path.is_file() and path.suffix == ".xml":
            content = path.read_bytes()
            assert len(content) == file.size_bytes
            assert file.checksum == Checksum("md5", hashlib.md5(content).hexdigest())
            compared += 1
    assert compared == 4


def granule(name: str, band: str = "B04") -> ManifestFile:
    return ManifestFile(f"GRANULE/{name}/IMG_DATA/T33XVG_20200101T0_{band}.jp2", 1, None)


# ranghetti/sen2r#56 and #117: the last of several granules was taken, whatever it showed.
def test_a_product_of_several_granules_is_refused_in_one_line() -> None:
    one = [granule("L1C_T33XVG_A1_1", band) for band in ("B04", "B08")]
    wanted = Selection(bands=("B4",))
    assert needed_files(one, "sentinel-2", wanted, "P") == (one[0],)
    several = [*one, granule("L1C_T33XWG_A1_1"), granule("L1C_T33XXG_A1_1")]
    with pytest.raises(MissingProductError, match=r"^P: it holds 3 granules \(L1C_T33XVG_A1_1, "):
        needed_files(several, "sentinel-2", wanted, "P")


@pytest.mark.parametrize("polarisation", ["copolar", "VV", "VH"])
def test_one_polarisation_of_a_real_product_is_half_of_it(
    test_data: Path, polarisation: str
) -> None:
    pol = "vv" if polarisation == "copolar" else polarisation.lower()
    for name, content in real_manifests(test_data).items():
        files = parse_manifest(content, name)
        needed = needed_files(files, "sentinel-1", Selection(polarisation), name)
        kinds = [re.sub(r"s1[ab]-.*", "", file.path) for file in needed]
        assert sorted(kinds) == [
            "annotation/",
            "annotation/calibration/calibration-",
            "annotation/calibration/noise-",
            "measurement/",
        ]
        assert all(f"-{pol}-" in file.path for file in needed)
        share = sum(f.size_bytes or 0 for f in needed) / sum(f.size_bytes or 0 for f in files)
        assert 0.49 < share < 0.51


def test_another_polarisation_is_missing_for_good() -> None:
    files = parse_manifest(made_safe().files["manifest.safe"], "x")
    with pytest.raises(MissingProductError, match=r"x: .* in VH, only HH, HV"):
        needed_files(files, "sentinel-1", Selection("VH"), "x")


@pytest.mark.parametrize("kind", ["annotation/s1", "calibration-", "noise-", "measurement/"])
def test_an_incomplete_set_of_files_is_not_enough(kind: str) -> None:
    files = parse_manifest(made_safe().files["manifest.safe"], "x")
    rest = [file for file in files if kind not in file.path]
    with pytest.raises(MissingProductError, match="no complete set"):
        needed_files(rest, "sentinel-1", Selection("HH"), "x")


def optical(level: str) -> list[ManifestFile]:
    granule = "GRANULE/L2A_T33XVG_A1_20200701T120000/"
    paths = [f"MTD_MSI{level}.xml", f"{granule}MTD_TL.xml", f"{granule}QI_DATA/MSK_B02.jp2"]
    paths += ["INSPIRE.xml", "DATASTRIP/DS_X/MTD_DS.xml"]
    stem = f"{granule}IMG_DATA/"
    if level == "L1C":
        names = [f"B{n:02}" for n in range(1, 13)] + ["B8A", "TCI"]
        paths += [f"{stem}T33XVG_20200701T120000_{name}.jp2" for name in names]
    else:
        bands = {
            "10": "AOT B02 B03 B04 B08 TCI WVP",
            "20": "AOT B01 B02 B03 B04 B05 B06 B07 B11 B12 B8A SCL TCI WVP",
            "60": "AOT B01 B02 B03 B04 B05 B06 B07 B09 B11 B12 B8A SCL TCI WVP",
        }
        for size, names_ in bands.items():
            paths += [
                f"{stem}R{size}m/T33XVG_20200701T120000_{name}_{size}m.jp2"
                for name in names_.split()
            ]
    return [ManifestFile(path, 1, None) for path in reversed(paths)]


def chosen(files: tuple[ManifestFile, ...]) -> set[str]:
    return {file.path.rpartition("/")[2].removeprefix("T33XVG_20200701T120000_") for file in files}


def test_optical_bands_come_in_their_finest_resolution() -> None:
    needed = needed_files(optical("L2A"), "sentinel-2", Selection(), "x")
    assert chosen(needed) == {
        *("MTD_MSIL2A.xml", "MTD_TL.xml", "B01_20m.jp2", "B02_10m.jp2", "B03_10m.jp2"),
        *("B04_10m.jp2", "B05_20m.jp2", "B06_20m.jp2", "B07_20m.jp2", "B08_10m.jp2"),
        *("B8A_20m.jp2", "B09_60m.jp2", "B11_20m.jp2", "B12_20m.jp2", "WVP_10m.jp2"),
        "SCL_20m.jp2",
    }


def test_level_1c_does_without_the_maps_of_level_2a() -> None:
    names = chosen(needed_files(optical("L1C"), "sentinel-2", Selection(), "x"))
    assert len(names) == 14
    assert {"B8A.jp2", "B12.jp2", "MTD_MSIL1C.xml"} <= names
    with pytest.raises(MissingProductError, match="no band SCL"):
        needed_files(optical("L1C"), "sentinel-2", Selection(bands=("B4", "SCL")), "x")


def test_bands_can_be_chosen() -> None:
    needed = needed_files(optical("L2A"), "sentinel-2", Selection(bands=("B4", "B08")), "x")
    assert chosen(needed) == {"MTD_MSIL2A.xml", "MTD_TL.xml", "B04_10m.jp2", "B08_10m.jp2"}


def test_checksums_of_newer_products_are_read() -> None:
    files = {"MTD_MSIL2A.xml": b"<x/>"}
    content = manifest_of(files, "SHA3-256")
    upper = re.sub(rb">(\w{64})<", lambda m: b">" + m[1].upper() + b"<", content)
    expected = Checksum("sha3-256", hashlib.sha3_256(b"<x/>").hexdigest())
    assert parse_manifest(upper, "x") == (ManifestFile("MTD_MSIL2A.xml", 4, expected),)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]><x>&z;</x>""" % b"".join(
    b'<!ENTITY %c "%s">' % (code, b"&%c;" % (code - 1) * 10) for code in range(ord("b"), ord("z"))
)


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "damaged"),
        (b"not xml", "damaged"),
        (b"<x>", "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"<x/>", "lists no files"),
        (b"<html><body>Sign in</body></html>", "lists no files"),
        (BOMB, "document type"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "document type"),
        (b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>', "document type"),
        (b'<x><byteStream size="1"></byteStream></x>', "no location"),
        (manifest_of({"a.xml": b""}).replace(b">d41d", b">zzzz"), "is not a checksum"),
        (manifest_of({"a.xml": b"", "A.xml": b""}), "twice"),
    ],
)
def test_a_damaged_manifest_is_reported(content: bytes, reported: str) -> None:
    with pytest.raises(UserError, match=reported) as caught:
        parse_manifest(content, "m.safe")
    assert str(caught.value).startswith("m.safe: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "href",
    ["../x", "/etc/passwd", "a/../../x", "..", ".", "", "C:\\x", "a\\b", "http://h/x", "a&#10;b"],
)
def test_a_file_outside_of_the_product_is_refused(href: str) -> None:
    content = f'<x><byteStream size="1"><fileLocation href="{href}"/></byteStream></x>'
    with pytest.raises(UserError, match=r"the manifest is damaged .*not within the product"):
        parse_manifest(content.encode(), "m")


@given(st.binary(max_size=300))
def test_no_bytes_break_it(content: bytes) -> None:
    with pytest.raises(UserError):
        parse_manifest(content, "m")


def test_a_missing_manifest_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_manifest(tmp_path / "manifest.safe")
