"""Products on disk: what is listed, what a query lets through, what is taken over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made_orbits import eof, poeorb
from shapely.geometry import MultiPolygon, box, shape
from synthetic_safe import NAMES, manifest, safe_files, write_folder, write_zip
from taken import query, taken

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.orbits.file import fetch_orbit
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.local import Local
from ssl4sar.acquire.query import LeftOut, MissingProductError, Query, Selection
from ssl4sar.core.errors import UserError

HH = NAMES["hh"]


def glacier(west: float, south: float, east: float, north: float) -> Glacier:
    area = MultiPolygon([box(west, south, east, north)])
    return Glacier("Here", "Here", "Svalbard", area, 32633)


def listed(provider: Local, asked: Query) -> list[Product]:
    """Products that the folder offers, whether or not the search takes them."""
    return [each for each in provider.search(asked) if isinstance(each, Product)]


def strangers(root: Path, asked: Query) -> dict[str, str]:
    """Reasons of what looks like a product and cannot be used."""
    return {
        each.name: each.reason for each in Local(root).search(asked) if isinstance(each, LeftOut)
    }


def names(root: Path, asked: Query) -> list[str]:
    """Names of the products that the search takes from the folder."""
    return [product.name for product in taken(Local(root), asked)]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    root = tmp_path / "mirror"
    write_folder(root / "s1" / "2020" / "03", HH)
    write_zip(root / "s1" / "2020" / "06", NAMES["vv"])
    write_folder(root / "s1", NAMES["ew"])
    write_folder(root / "s2", NAMES["s2"], direction="", track=138)
    (root / "s1" / "readme.txt").write_text("no product")
    (root / "s1" / "other.zip").write_bytes(b"no product")
    return root


def the(root: Path, **changes: object) -> Product:
    asked = query(**changes)
    (product,) = taken(Local(root), asked)
    return product


def test_folders_and_zips_are_found_and_distinguished_by_kind(mirror: Path) -> None:
    assert names(mirror, query()) == [HH, NAMES["vv"]]
    assert names(mirror, query(product_type="EW_GRDM_1S")) == [NAMES["ew"]]
    assert names(mirror, query(mission="sentinel-2", product_type="S2MSI2A")) == [NAMES["s2"]]
    assert names(mirror, query(mission="sentinel-2", product_type="S2MSI1C")) == []


def test_a_product_holds_what_name_and_manifest_tell(mirror: Path) -> None:
    product = the(mirror, polarisations=("HH",))
    assert product.id == f"s1/2020/03/{HH}.SAFE"
    assert (product.platform, product.mode, product.datatake) == ("S1A", "IW", "03A21C")
    assert product.polarisations == ("HH", "HV")
    assert product.start == datetime(2020, 3, 5, 6, 54, 32, tzinfo=UTC)
    assert (product.relative_orbit, product.orbit_direction) == (66, "descending")
    assert product.processor_version == "3.40"
    assert Product.from_row(product.as_row()) == product
    optical = the(mirror, mission="sentinel-2", product_type="S2MSI2A")
    assert (optical.tile, optical.relative_orbit, optical.cloud_percent) == ("33XVG", 138, 12.5)
    assert optical.processor_version == "02.14"


def test_real_samples_are_found_by_their_footprints(test_data: Path) -> None:
    provider = Local(test_data / "sentinel1" / "grdh")
    everywhere = query(glacier=glacier(-180, -89, 180, 89))
    assert len(listed(provider, everywhere)) == 6
    # The product of 2026 lies on both sides of the antimeridian, south of 53 degrees.
    for area in (glacier(179, 51.5, 179.5, 52), glacier(-179.9, 51.5, -179.5, 52)):
        asked = query(glacier=area)
        (found,) = taken(provider, asked)
        assert found.name.endswith("_1C0B")
        assert found.footprint is not None
        assert shape(dict(found.footprint)).area < 10
        assert found.processor_version == "4.03"
    assert names(test_data / "sentinel1" / "grdh", query(glacier=glacier(0, 51.5, 1, 52))) == []
    twins = [each for each in listed(provider, everywhere) if each.datatake == "00574F"]
    assert [twin.processor_version for twin in twins] == ["2.70", "2.36"]
    assert {(twin.start, twin.stop, twin.datatake) for twin in twins} == {
        (twins[0].start, twins[0].stop, "00574F")
    }


def test_product_without_readable_manifest_is_reported_and_left_out(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = mirror / "s1" / "2020" / "03" / f"{HH}.SAFE"
    (folder / "manifest.safe").write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    assert strangers(mirror, query()) == {HH: "unreadable", "s1/other.zip": "not_recognised"}
    assert names(mirror, query()) == [NAMES["vv"]]
    told = capsys.readouterr().err
    assert "warning: left out:" in told
    assert HH in told


def test_product_in_two_forms_counts_once_as_a_folder(tmp_path: Path) -> None:
    write_zip(tmp_path / "a", HH)
    write_folder(tmp_path / "b", HH)
    write_zip(tmp_path / "c", HH)
    assert the(tmp_path).id == f"b/{HH}.SAFE"


def test_loops_end_and_depth_does_not_matter(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("x" * 60))
    write_folder(deep, HH)
    links = {"x/loop": ".", "x/x/one": "x", "x/x/two": "x/x", "x/up": "..", "itself": "itself"}
    for place, target in links.items():
        (tmp_path / place).symlink_to(tmp_path / target)
    root = tmp_path / "x"
    write_folder(tmp_path, NAMES["vv"])  # beside the mirror
    assert names(root, query()) == [HH]
    assert strangers(root, query()) == {}


CLOUD = {
    # stactools-packages/sentinel1 and sentinel2: as clouds and their users keep products.
    "no ending": HH,
    "lower case": f"{HH.lower()}.safe",
    "nine folders down": f"a/b/c/d/e/f/g/h/i/{HH}.SAFE",
    "in a folder of its name": f"{HH}/{HH}.SAFE",
    "lower case without ending": HH.lower(),
}


@pytest.mark.parametrize("place", CLOUD.values(), ids=CLOUD)
def test_products_are_found_as_clouds_keep_them(tmp_path: Path, place: str) -> None:
    made = write_folder(tmp_path / "made", HH)
    root = tmp_path / "mirror"
    (root / place).parent.mkdir(parents=True)
    made.rename(root / place)
    product = the(root)
    assert (product.name, product.id) == (HH, place)
    assert strangers(root, query()) == {}
    path = Local(root).fetch(product, tmp_path / "work", Selection())
    assert path == tmp_path / "work" / f"{HH}.SAFE"


def test_an_optical_product_without_its_baseline_is_named_by_its_metadata(tmp_path: Path) -> None:
    made = write_folder(tmp_path, NAMES["s2"])
    root = tmp_path / "mirror"
    root.mkdir()
    made.rename(root / "S2A_MSIL2A_20200715T124711_R138_T33XVG_20200715T145016.SAFE")
    asked = query(mission="sentinel-2", product_type="S2MSI2A")
    (place,) = (path.name for path in root.iterdir())
    assert strangers(root, asked) == {place: "not_recognised"}
    assert strangers(root, query()) == {}
    metadata = root / place / "MTD_MSIL2A.xml"
    uri = f"<PRODUCT_URI>{NAMES['s2']}.SAFE</PRODUCT_URI>"
    metadata.write_text(metadata.read_text().replace("<p>", f"<p>{uri}"))
    assert names(root, asked) == [NAMES["s2"]]
    assert strangers(root, asked) == {}
    product = the(root, mission="sentinel-2", product_type="S2MSI2A")
    assert Local(root)._place(product) == root / place


def test_what_looks_like_a_product_is_counted_if_it_is_not_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path, HH)
    for name in (
        f"{NAMES['vv']}",
        "S2A_OPER_PRD_MSIL1C_PDMC_20160501T000000_R051_V20160501T0",
        "x.SAFE",
    ):
        (tmp_path / name / "sub").mkdir(parents=True)
    renamed = write_folder(tmp_path / "made", NAMES["ew"])
    renamed.rename(tmp_path / "my favourite")
    for name in (f"{NAMES['vv']}.tar", "other.zip", "._S1A.SAFE", "S1A_notes.txt"):
        (tmp_path / name).write_bytes(b"")
    left_out = {
        each.name: each.detail
        for each in Local(tmp_path).search(query())
        if isinstance(each, LeftOut)
    }
    assert set(left_out) == {
        NAMES["vv"],
        "x.SAFE",
        "my favourite",
        f"{NAMES['vv']}.tar",
        "other.zip",
    }
    assert left_out[NAMES["vv"]] == "there is no manifest.safe in it"
    assert "only zips" in left_out[f"{NAMES['vv']}.tar"]
    told = capsys.readouterr().err
    assert "6 items not recognised as products" in told


def test_orbit_files_of_the_folder_are_listed_and_fetched(tmp_path: Path) -> None:
    name = poeorb("2020-03-05")
    place = tmp_path / "mirror" / "aux" / f"{name}.EOF"
    place.parent.mkdir(parents=True)
    place.write_text(eof(name))
    (place.parent / "S3A_OPER_AUX_POEORB.EOF").write_text("of another satellite")
    provider = Local(tmp_path / "mirror")
    start, stop = datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC)
    (file,) = provider.orbit_files("S1A", "POEORB", start, stop)
    assert (file.name, file.id, file.provider) == (name, f"aux/{name}.EOF", "local")
    assert list(provider.orbit_files("S1B", "POEORB", start, stop)) == []
    target = tmp_path / f"{name}.EOF"
    fetch_orbit(file, target, provider.fetch_file)
    assert target.read_text() == eof(name)
    place.unlink()
    with pytest.raises(MissingProductError, match="not there any more"):
        provider.fetch_file(file, tmp_path / "again.EOF")
    with pytest.raises(UserError, match="not below the root"):
        provider.fetch_file(replace(file, id=f"../{name}.EOF"), target)


def test_a_product_of_several_granules_is_refused(tmp_path: Path) -> None:
    name = NAMES["s2"]
    files = safe_files(name) | {
        f"GRANULE/L2A_T33X{letter}G/IMG_DATA/R10m/T33X{letter}G_B04_10m.jp2": b"red"
        for letter in "VWX"
    }
    folder = write_folder(tmp_path, name)
    (folder / "manifest.safe").write_bytes(manifest(name, files))
    asked = query(mission="sentinel-2", product_type="S2MSI2A")
    assert strangers(tmp_path, asked) == {name: "several_tiles"}


def test_missing_root_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"correct sentinel\.root"):
        Local(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"^sentinel\.root: it is missing"):
        Local(None)


def test_folder_is_linked_without_other_polarisations(mirror: Path, tmp_path: Path) -> None:
    product = the(mirror, polarisations=("HH",))
    folder = tmp_path / "work"
    path = Local(mirror).fetch(product, folder, Selection())
    assert path == folder / f"{HH}.SAFE"
    taken = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    wanted = {name for name in safe_files(HH) if "-hh-" in name}
    assert taken == wanted | {"manifest.safe"}
    source = mirror / product.id
    for name in taken:
        assert (path / name).samefile(source / name)


@pytest.mark.parametrize(
    ("member", "content"),
    [
        (f"{NAMES['vv']}.SAFE/preview/quick-look.png", b"changed"),
        (f"{NAMES['vv']}.SAFE/preview/quick-look.png", b"longer than before"),
        (f"{NAMES['vv']}.SAFE/../../evil", b""),
        ("/evil", b""),
    ],
)
def test_damaged_or_dangerous_zip_is_missing_for_good(
    tmp_path: Path, member: str, content: bytes
) -> None:
    write_zip(tmp_path / "mirror", NAMES["vv"], {member: content})
    product = the(tmp_path / "mirror")
    with pytest.raises(MissingProductError, match=r"quick-look|leads out|absolute"):
        Local(tmp_path / "mirror").fetch(product, tmp_path / "work", Selection())


def test_places_outside_of_the_root_are_refused(mirror: Path, tmp_path: Path) -> None:
    provider, product = Local(mirror), the(mirror, polarisations=("HH",))
    for place in (f"../{HH}.SAFE", f"/{HH}.SAFE", "s1"):
        with pytest.raises(UserError, match="not below the root"):
            provider.fetch(replace(product, id=place), tmp_path / "work", Selection())


@pytest.mark.parametrize("ending", ["", ".7z", ".rar", ".tar.bz2", ".SAFE.part", ".tiff"])
def test_a_file_that_is_called_like_a_product_is_listed(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"{HH}{ending}").write_bytes(b"x")
    (tmp_path / f"{HH}.png").write_bytes(b"a quick look")
    assert strangers(tmp_path, query()) == {f"{HH}{ending}": "not_recognised"}
