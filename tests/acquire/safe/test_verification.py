from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import pytest
from cdse_server import Served, made_safe, packed

from ssl4sar.acquire.safe.verification import (
    DamagedProductError,
    known_checksums,
    verify_product,
)


@pytest.fixture
def product() -> Served:
    return made_safe(size=20_000)


@pytest.fixture
def archive(product: Served, tmp_path: Path) -> Path:
    path = tmp_path / "x.zip"
    path.write_bytes(product.value())
    return path


def test_every_step_of_the_ladder_is_taken(archive: Path) -> None:
    content = archive.read_bytes()
    from blake3 import blake3

    checksums = {
        "md5": hashlib.md5(content).hexdigest().upper(),
        "blake3": blake3(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    found = verify_product(archive, size_bytes=len(content), checksums=checksums)
    assert found.steps == ("size", "blake3", "md5", "sha256", "manifest", "zip")
    assert found.files == 11


def test_an_empty_catalogue_leaves_manifest_and_zip(archive: Path) -> None:
    found = verify_product(archive, size_bytes=0, checksums={})
    assert found.steps == ("manifest", "zip")
    assert str(found) == "verified by manifest, zip (11 files)"


@pytest.mark.parametrize("algorithm", ["md5", "blake3", "sha256"])
def test_each_checksum_is_compared(archive: Path, algorithm: str) -> None:
    digits = "0" * (32 if algorithm == "md5" else 64)
    with pytest.raises(DamagedProductError, match=f"its {algorithm} is"):
        verify_product(archive, checksums={algorithm: digits})


def test_without_the_library_blake3_is_left_out(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert verify_product(archive, checksums={"blake3": "0" * 64}).steps == ("manifest", "zip")


def test_damaged_checksums_of_a_catalogue_are_reported_and_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = "0" * 32
    found = known_checksums({"MD5": good, "sha256": "abc", "crc": "1"})
    assert [str(each) for each in found] == [f"md5:{good}"]
    assert "sha256" in capsys.readouterr().err


def test_a_changed_file_in_an_archive_is_found(product: Served, tmp_path: Path) -> None:
    path = next(name for name in product.files if name.startswith("measurement"))
    files = product.files | {path: b"x" + product.files[path][1:]}
    (tmp_path / "x.zip").write_bytes(packed({f"{product.name}/{k}": v for k, v in files.items()}))
    with pytest.raises(DamagedProductError, match=r"measurement/.*its md5 is"):
        verify_product(tmp_path / "x.zip")


def test_a_missing_file_in_an_archive_is_found(product: Served, tmp_path: Path) -> None:
    files = {k: v for k, v in product.files.items() if not k.endswith(".tiff")}
    (tmp_path / "x.zip").write_bytes(packed({f"{product.name}/{k}": v for k, v in files.items()}))
    with pytest.raises(DamagedProductError, match="is missing in the archive"):
        verify_product(tmp_path / "x.zip")


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -100])
def test_a_cut_archive_is_found(archive: Path, cut: int) -> None:
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(DamagedProductError, match="archive"):
        verify_product(archive)


def test_every_changed_byte_of_content_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:  # no manifest: only the CRC can tell
        archive.writestr("a.bin", bytes(range(256)) * 4)
    whole = path.read_bytes()
    assert verify_product(path).steps == ("zip",)
    start = whole.index(bytes(range(256)))
    for position in range(start, start + 1024, 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(DamagedProductError):
            verify_product(path)


@pytest.mark.parametrize(
    ("size_bytes", "checksums"), [(3, {}), (None, {"md5": "0" * 32}), (3, {"md5": "0" * 32})]
)
def test_an_archive_other_than_listed_needs_its_manifest(
    archive: Path,
    product: Served,
    capsys: pytest.CaptureFixture[str],
    size_bytes: int | None,
    checksums: dict[str, str],
) -> None:
    name = product.name.removesuffix(".SAFE")
    found = verify_product(archive, repacked=name, size_bytes=size_bytes, checksums=checksums)
    assert found.steps == ("manifest", "zip")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: x.zip: it")
    with pytest.raises(DamagedProductError, match=", not "):
        verify_product(archive, repacked="other", size_bytes=size_bytes, checksums=checksums)
    as_listed = {"size_bytes": len(product.value()), "checksums": {"md5": product.md5()}}
    found = verify_product(archive, repacked="other", **as_listed)
    assert found.steps == ("size", "md5", "manifest", "zip")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [b"no zip", packed({"a.txt": b"a"})])
def test_what_has_no_manifest_must_be_as_listed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(DamagedProductError):
        verify_product(path, repacked="a", size_bytes=len(content) + 1)
