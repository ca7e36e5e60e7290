"""Taking over SAFE products: what a manifest may list, what is taken, what a second try keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthetic_safe import NAMES, manifest, safe_files, write_folder, write_zip

from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.acquire.safe.files import take_folder, take_zip
from ssl4sar.core.errors import UserError


@pytest.mark.parametrize(
    ("key", "polarisation", "taken"),
    [
        ("hh", "copolar", "hh"),
        ("vv", "copolar", "vv"),
        ("hh", "HV", "hv"),
        ("vv", "VH", "vh"),
    ],
)
def test_one_polarisation_is_taken(tmp_path: Path, key: str, polarisation: str, taken: str) -> None:
    source = write_folder(tmp_path, NAMES[key])
    target = take_folder(
        source, tmp_path / "t" / source.name, "sentinel-1", Selection(polarisation)
    )
    assert {path.name.split("-")[3] for path in target.rglob("*.tiff")} == {taken}
    assert len(list(target.rglob("*.xml"))) == 3


def test_a_mirror_that_holds_one_polarisation_only_suffices(tmp_path: Path) -> None:
    source = write_folder(tmp_path, NAMES["hh"])
    for path in source.rglob("*-hv-*"):
        path.unlink()
    take_folder(source, tmp_path / "t" / source.name, "sentinel-1", Selection())
    with pytest.raises(MissingProductError, match="is missing"):
        take_folder(source, tmp_path / "t2" / source.name, "sentinel-1", Selection("HV"))


def test_a_target_that_cannot_be_written_is_the_users_matter(tmp_path: Path) -> None:
    source = write_zip(tmp_path, NAMES["vv"])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        take_zip(source, tmp_path / "file" / source.name, f"{NAMES['vv']}.SAFE")
    assert not isinstance(caught.value, MissingProductError)


@pytest.mark.parametrize(
    ("folder", "more", "problem"),
    [
        (f"{NAMES['hh']}.SAFE", {}, "there is no"),
        (
            f"{NAMES['vv']}.SAFE",
            {"measurement/s1b-iw-grd-vv-more.tiff": b"more"},
            r"more\.tiff is missing in the archive",
        ),
    ],
)
def test_a_zip_of_another_product_or_without_a_file_is_damaged(
    tmp_path: Path, folder: str, more: dict[str, bytes], problem: str
) -> None:
    name = NAMES["vv"]
    listed = manifest(name, safe_files(name) | more)
    source = write_zip(tmp_path, name, {f"{name}.SAFE/manifest.safe": listed})
    with pytest.raises(MissingProductError, match=problem):
        take_zip(source, tmp_path / "t" / source.name, folder)


def test_an_old_copy_of_a_changed_source_is_replaced(tmp_path: Path) -> None:
    source = write_zip(tmp_path, NAMES["vv"])
    target = tmp_path / "t" / source.name
    target.parent.mkdir()
    target.write_bytes(b"x" * source.stat().st_size)
    take_zip(source, target, f"{NAMES['vv']}.SAFE")
    assert target.read_bytes() == source.read_bytes()


def test_sizes_count_where_a_manifest_has_no_checksums(tmp_path: Path) -> None:
    source = write_folder(tmp_path, NAMES["hh"])
    text = (source / "manifest.safe").read_text()
    bare = re.sub("<checksum.*?</checksum>", "", text)
    assert bare != text
    (source / "manifest.safe").write_text(bare)
    take_folder(source, tmp_path / "t" / source.name, "sentinel-1", Selection())
    image = next(source.rglob("*-hh-*.tiff"))
    image.write_bytes(image.read_bytes() + b"more")
    with pytest.raises(MissingProductError, match="it has 2004 bytes, not 2000"):
        take_folder(source, tmp_path / "t2" / source.name, "sentinel-1", Selection())
