"""Opening GRD products, real and made up, whole and broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from made_grd import NAME, calibration_xml, grd_files, grd_manifest, noise_xml, write_grd, zip_grd
from rasterio.errors import NotGeoreferencedWarning

from ssl4sar.acquire import extract
from ssl4sar.core.errors import UserError
from ssl4sar.sar.product import open_product

FILES = grd_files()
MANIFEST = grd_manifest(FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_grd(tmp_path, FILES)


def image(value: int, folder: Path) -> bytes:
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(
            folder / "image.tif", "w", driver="GTiff", height=2, width=3, count=1, dtype="uint16"
        ) as raster,
    ):
        raster.write(np.full((1, 2, 3), value, np.uint16))
    content = (folder / "image.tif").read_bytes()
    (folder / "image.tif").unlink()
    return content


@pytest.mark.parametrize("ending", ["", "-cog"])
@pytest.mark.parametrize("form", ["folder", "zip", "zip of another ending", "upper case"])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_product_opens_in_every_form(tmp_path: Path, form: str, ending: str) -> None:
    files = grd_files(ending)
    measured = next(name for name in files if name.startswith("meas") and "-hv-" in name)
    files[measured] = image(17, tmp_path)
    path = write_grd(tmp_path, files)
    if form == "upper case":
        manifest = grd_manifest(files)
        shutil.rmtree(path)
        path = write_grd(tmp_path, {name.upper(): data for name, data in files.items()}, manifest)
        (path / "manifest.safe").rename(path / "MANIFEST.SAFE")
    elif form != "folder":
        path = zip_grd(path)
        if form == "zip of another ending":
            path = path.rename(tmp_path / "scene {1}.download")
    product = open_product(path)
    assert product.name == NAME
    assert (product.platform, product.mode, product.resolution) == ("S1C", "EW", "M")
    assert (product.processor_version, product.absolute_orbit, product.relative_orbit) == (
        *("3.95", 1540),
        58,
    )
    # The manifest says descending, of the start of the datatake.
    assert product.orbit_pass == "ascending"
    assert product.polarisations == ("HH", "HV")
    assert product.missing == {}
    assert product.annotation("HV").polarisation == "HV"
    assert product.read_calibration_xml("HV") == calibration_xml().encode()
    assert product.read_noise_xml("HH") == noise_xml().encode()
    with rasterio.open(product.measurement("HV")) as raster:
        assert (raster.read() == 17).all()


@pytest.mark.parametrize("letter", ["A", "D", "K"])
@pytest.mark.parametrize("mode", ["IW", "SM"])
def test_every_satellite_and_mode_is_taken(tmp_path: Path, letter: str, mode: str) -> None:
    manifest = MANIFEST.replace(">C<", f">{letter}<").replace("mode>EW<", f"mode>{mode}<")
    product = open_product(write_grd(tmp_path, FILES, manifest))
    assert (product.platform, product.mode) == (f"S1{letter}", mode)


def test_the_manifest_stands_for_its_folder(folder: Path) -> None:
    assert open_product(folder / "manifest.safe").path == folder


def test_a_product_without_noise_lists_none(tmp_path: Path) -> None:
    product = open_product(
        write_grd(tmp_path, {name: data for name, data in FILES.items() if "noise" not in name})
    )
    assert product.read_noise_xml("HV") is None
    assert product.missing == {"HH": ("noise",), "HV": ("noise",)}


def test_files_of_one_polarisation_may_be_missing(folder: Path) -> None:
    for file in folder.rglob("*-hv-*"):
        file.unlink()
    product = open_product(folder)
    assert product.missing == {"HV": ("annotation", "calibration", "noise", "measurement")}
    assert product.annotation("HH").polarisation == "HH"
    for read in (
        *(product.annotation, product.read_calibration_xml),
        *(product.read_noise_xml, product.measurement),
    ):
        with pytest.raises(UserError, match=r"SAFE: \w+/.*-hv-.* is missing; get the product"):
            read("HV")
        with pytest.raises(UserError, match="of VV, its polarisations are HH, HV; choose"):
            read("VV")


def test_what_was_parsed_is_reused_and_what_failed_is_not(folder: Path) -> None:
    product = open_product(folder)
    noise = next((folder / "annotation" / "calibration").glob("noise-*-hh-*"))
    content = noise.read_bytes()
    noise.write_bytes(b"<")
    with pytest.raises(UserError, match=f"{noise.name}: "):
        product.noise("HH")
    noise.write_bytes(content)
    for parse in (product.annotation, product.calibration, product.noise):
        assert parse("HH") is parse("HH")
        assert parse("HH") is not parse("HV")


def test_an_annotation_of_another_product_is_refused(folder: Path) -> None:
    one, other = sorted((folder / "annotation").glob("*.xml"))
    shutil.copy(one, other)
    with pytest.raises(UserError, match="it is of S1C in HH, not of S1C in HV"):
        open_product(folder).annotation("HV")


@pytest.mark.parametrize("kind", ["calibration", "noise"])
def test_a_table_of_another_polarisation_is_refused(folder: Path, kind: str) -> None:
    one, _ = sorted((folder / "annotation" / "calibration").glob(f"{kind}-*.xml"))
    header = b"<adsHeader><polarisation>HV</polarisation></adsHeader>"
    one.write_bytes(one.read_bytes().replace(b"</", header + b"</", 1))
    product = open_product(folder)
    with pytest.raises(UserError, match=rf"{kind}-.*-hh-.*: it is of HV, not of HH"):
        getattr(product, f"read_{kind}_xml")("HH")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("productType>GRD<", "productType>SLC<", "type SLC, only GRD can be used; give"),
        ("mode>EW<", "mode>WV<", "the mode is WV, not IW, EW, SM"),
        ("number>C<", "number>1\x7f<", "the platform is"),
        ("<safe:number>C</safe:number>", "", "platform/number is missing"),
        ('name="Sentinel-1 IPF"', 'name="other"', "the version of the processor"),
        ("2026-03-05T06:54:32.25", "9999-03-05T06:54:32.25", "is not the time of a product"),
        ("annotation/s1c", "annotation/s3c", "it lists no annotation"),
        ("70.2,7.9", "70.2,797.9", "its footprint is"),
        (">1540<", ">many<", "its manifest cannot be used"),
        ("./annotation/s1c", "../annotation/s1c", "is not within the product"),
        ("<x:XFDU", "<!DOCTYPE x [<!ENTITY a 'b'>]><x:XFDU", "declares a document type"),
        ("</x:XFDU>", "", "it is not XML"),
    ],
)
def test_a_manifest_of_something_else_is_one_line(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in MANIFEST
    path = write_grd(tmp_path, FILES, MANIFEST.replace(old, new))
    with pytest.raises(UserError) as caught:
        open_product(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_not_a_product_is_one_line(folder: Path) -> None:
    parent = folder.parent
    with pytest.raises(UserError, match=r"nothing\.SAFE: the product does not exist; give the"):
        open_product(parent / "nothing.SAFE")
    with pytest.raises(UserError, match=r"there is no manifest\.safe in it; give the folder"):
        open_product(parent)
    (parent / "text.zip").write_text("no zip")
    with pytest.raises(UserError, match=r"text\.zip: .* not a complete zip"):
        open_product(parent / "text.zip")
    with pytest.raises(UserError, match=r"member '\.\./x' leads out of the folder"):
        open_product(zip_grd(folder, {"../x": b""}))
    with pytest.raises(UserError, match="2 of them are there"):
        open_product(zip_grd(folder, {"other.SAFE/manifest.safe": b""}))
    (folder / "manifest.safe").unlink()
    with pytest.raises(UserError, match="none is there"):
        open_product(zip_grd(folder))


def test_a_damaged_zip_is_one_line(folder: Path) -> None:
    path = zip_grd(folder)
    content = bytearray(path.read_bytes())
    start = content.rindex(b"<sigmaNought>500")
    content[start : start + 16] = b"<sigmaNought>600"
    path.write_bytes(content)
    product = open_product(path)
    with pytest.raises(UserError, match="Bad CRC-32"):
        product.read_calibration_xml("HV")
    path.write_bytes(content[:-30])
    with pytest.raises(UserError, match="not a complete zip"):
        open_product(path)


def test_a_damaged_image_in_a_zip_is_one_line_and_members_are_checked_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_grd(folder)
    file = next(name for name in FILES if name.startswith("measurement") and "-hv-" in name)
    content = path.read_bytes()
    start = content.index(FILES[file], content.index(f"{NAME}.SAFE/{file}".encode()))
    path.write_bytes(content[:start] + b"?" + content[start + 1 :])
    checks: list[Path] = []
    check = extract._check
    monkeypatch.setattr(
        extract,
        "_check",
        lambda archive, members: checks.append(archive) or check(archive, members),
    )
    product = open_product(path)
    with pytest.raises(UserError, match="Bad CRC-32"):
        product.measurement("HV")
    product.measurement("HH")
    product.annotation("HH")
    assert checks == [path]


def test_an_endless_file_is_not_read(folder: Path) -> None:
    file = next((folder / "annotation" / "calibration").glob("calibration-*-hh-*"))
    with file.open("wb") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(UserError, match="it is longer than 33"):
        open_product(folder).read_calibration_xml("HH")


@pytest.mark.parametrize(
    ("ending", "platform", "version", "track", "orbit"),
    [
        ("6D00.zip", "S1A", "2.70", 7, 4454),
        ("FEC3.zip", "S1A", "2.36", 7, 4454),
        ("8255.zip", "S1A", "3.31", 79, 36201),
        ("1C0B.zip", "S1A", "4.03", 30, 64852),
        ("ECC8.SAFE", "S1B", "3.31", 168, 26269),
        ("5371.SAFE", "S1B", "3.40", 22, 30148),
    ],
)
def test_real_products_open(
    test_data: Path, ending: str, platform: str, version: str, track: int, orbit: int
) -> None:
    (path,) = (test_data / "sentinel1" / "grdh").glob(f"*_{ending}")
    product = open_product(path)
    assert product.name == path.stem
    assert (product.platform, product.mode, product.resolution) == (platform, "IW", "H")
    assert (product.processor_version, product.relative_orbit) == (version, track)
    assert (product.absolute_orbit, product.orbit_pass) == (orbit, "descending")
    assert product.polarisations == ("VV", "VH")
