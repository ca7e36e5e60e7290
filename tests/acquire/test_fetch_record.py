"""A record of a product tells what is there, and which products it is a record of."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_products import made_product

from ssl4sar.acquire.fetch_record import FetchRecord, fetched_product
from ssl4sar.core.errors import UserError
from ssl4sar.core.listing import FileRecord


def record_of(path: str, **changes: object) -> FetchRecord:
    return FetchRecord(
        product=made_product(**changes).as_row(),
        status="fetched",
        polarisations=("HH",),
        path=path,
    )


@pytest.mark.parametrize("path", ["NAME.SAFE", "NAME.zip", "."])
def test_another_name_or_provider_is_another_product(path: str) -> None:
    record = record_of(path)
    assert record.is_of(made_product())
    assert not record.is_of(made_product(2))
    assert not record.is_of(made_product(provider="another"))


def test_a_size_of_zero_is_none() -> None:
    assert record_of("NAME.zip", size_bytes=0).is_of(made_product(size_bytes=5))


def test_what_is_held() -> None:
    assert record_of("NAME.SAFE").holds("HH")
    assert not record_of("NAME.SAFE").holds("HV")
    assert record_of("NAME.zip").model_copy(update={"polarisations": None}).holds("HV")


def test_a_product_is_found_by_its_manifest(tmp_path: Path) -> None:
    file = FileRecord(3, "0" * 64)
    record = record_of("NAME.SAFE").model_copy(update={"files": {"NAME.SAFE/manifest.safe": file}})
    manifest = tmp_path / "NAME.manifest.json"
    record.manifest().write(manifest)

    place, files = fetched_product(manifest)

    folder = tmp_path / made_product().name
    assert place == folder / "NAME.SAFE"
    assert files == {folder / "NAME.SAFE/manifest.safe": file}
    # The mark of a product that stays, and a product that is removed after use.
    raw = tmp_path / f"{made_product().name}.raw"
    raw.touch()
    assert fetched_product(manifest)[0] == place
    raw.unlink()
    raw.mkdir()
    assert fetched_product(manifest)[0] == raw / "NAME.SAFE"


def test_what_a_catalogue_says_is_not_in_the_manifest() -> None:
    first, now = record_of("NAME.SAFE"), record_of("NAME.SAFE", online=False, size_bytes=5)
    assert first != now
    assert first.manifest() == now.manifest()


def test_the_manifest_of_a_missing_product_says_so(tmp_path: Path) -> None:
    missing = record_of("NAME.SAFE").model_copy(update={"status": "missing", "path": None})
    missing.manifest().write(tmp_path / "NAME.manifest.json")
    with pytest.raises(UserError, match=r"the product is missing.*acquisition\.leave_out"):
        fetched_product(tmp_path / "NAME.manifest.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"status": "fetched"}', None])
def test_what_is_not_a_record_of_a_product_is_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "record.json"
    record = record_of("NAME.SAFE")
    record.write(path)
    assert FetchRecord.read(path) == record
    if content is None:
        record.model_copy(update={"product": {"name": "x"}}).write(path)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="not a valid record of a fetched product"):
        FetchRecord.read(path)
