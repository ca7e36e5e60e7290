"""A product is there whole, or missing with a reason; nothing is fetched twice."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path

import pytest
from made_products import MemoryProvider, made_product

from ssl4sar.acquire.fetch import CONTENT_NAME, FetchRecord, fetch_product, wanted_polarisation
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.acquire.providers.base import Selection
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file

FILES = {"manifest.safe": b"<xml/>", "measurement/hh.tiff": b"pixels" * 100}


def fetched(tmp_path: Path, provider: MemoryProvider, product: Product | None = None, **selection):
    product = product or made_product()
    return fetch_product(product, provider, tmp_path / product.name, Selection(**selection))


def test_a_product_lands_in_its_folder_with_the_hash_of_every_file(tmp_path: Path) -> None:
    product = made_product()
    record = fetched(tmp_path, MemoryProvider(FILES))
    folder = tmp_path / product.name
    assert (record.status, record.path) == ("fetched", f"{product.name}.SAFE")
    assert set(record.files) == {f"{product.name}.SAFE/{name}" for name in FILES}
    for name, file in record.files.items():
        assert file.sha256 == sha256_file(folder / name)
        assert file.bytes == (folder / name).stat().st_size
    assert FetchRecord.read(folder / CONTENT_NAME) == record
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    provider = MemoryProvider(FILES)
    first = fetched(tmp_path, provider)
    assert fetched(tmp_path, provider) == first
    # What a catalogue may say anew of the same product.
    offline = replace(made_product(), online=False, urls={"product": "http://elsewhere"})
    again = fetched(tmp_path, provider, offline)
    assert again.files == first.files
    assert again.product == offline.as_row()
    assert provider.fetches == 1


@pytest.mark.parametrize(
    "changes",
    [{"size_bytes": 2_000}, {"checksums": {"md5": "1" * 32}}, {"id": "another"}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_content_in_the_inventory_is_fetched_anew(tmp_path: Path, changes: dict) -> None:
    fetched(tmp_path, MemoryProvider(FILES))
    newer = MemoryProvider({"manifest.safe": b"<new/>"})
    record = fetched(tmp_path, newer, made_product(**changes))
    assert newer.fetches == 1
    assert len(record.files) == 1
    assert not list(tmp_path.rglob("hh.tiff"))


def test_another_polarisation_is_fetched_anew(tmp_path: Path) -> None:
    provider = MemoryProvider(FILES)
    fetched(tmp_path, provider, polarisation="HH")
    assert fetched(tmp_path, provider, polarisation="HV").polarisation == "HV"
    assert provider.fetches == 2


def test_copolar_is_the_polarisation_that_a_product_has(tmp_path: Path) -> None:
    provider = MemoryProvider(FILES)
    assert fetched(tmp_path, provider).polarisation == "HH"
    assert fetched(tmp_path, provider, polarisation="HH").polarisation == "HH"
    assert provider.fetches == 1
    vv = made_product(polarisations=("VV", "VH"))
    assert wanted_polarisation(vv, Selection()) == "VV"
    assert wanted_polarisation(made_product(polarisations=()), Selection()) == "copolar"


def test_leftovers_of_another_provider_are_no_part_of_a_product(tmp_path: Path) -> None:
    failing = MemoryProvider(FILES, failures=[UserError("line", "broke", "try again")])
    with pytest.raises(UserError):
        fetched(tmp_path, failing)
    other = MemoryProvider({"image.tif": b"of another provider"})
    record = fetched(tmp_path, other, made_product(provider="another"))
    assert [Path(name).name for name in record.files] == ["image.tif"]


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_a_damaged_product_is_fetched_anew(tmp_path: Path, damage: str) -> None:
    provider = MemoryProvider(FILES)
    first = fetched(tmp_path, provider)
    file = next(tmp_path.rglob("hh.tiff"))
    if damage == "change":
        file.write_bytes(b"other")
    elif damage == "remove":
        file.unlink()
    else:
        file.with_name("more.tiff").write_bytes(b"more")
    assert fetched(tmp_path, provider) == first
    assert provider.fetches == 2
    assert not list(tmp_path.rglob("more.tiff"))


def test_a_rendered_image_is_rendered_again(tmp_path: Path) -> None:
    product = made_product(product_type=SYNTHETIC_TYPE)
    fetched(tmp_path, MemoryProvider(FILES), product)
    changed = MemoryProvider({"image.png": b"of another scene model"})
    assert len(fetched(tmp_path, changed, product).files) == 1


def test_a_failure_keeps_what_has_come(tmp_path: Path) -> None:
    broken = UserError("line", "broke", "try again")
    provider = MemoryProvider(FILES, failures=[broken])
    with pytest.raises(UserError, match="broke"):
        fetched(tmp_path, provider)
    product = made_product()
    assert not (tmp_path / product.name).exists()
    (partial,) = tmp_path.glob(".*.partial")
    assert (partial / f"{product.name}.SAFE" / "manifest.safe").read_bytes() == b"<xml/>"
    assert fetched(tmp_path, provider).status == "fetched"


def test_a_product_that_is_gone_is_recorded_and_nothing_is_left(tmp_path: Path) -> None:
    record = fetched(tmp_path, MemoryProvider(missing="it is offline"))
    assert record.status == "missing"
    assert record.reason == "it is offline; ask the provider"
    assert record.files == {}
    assert not (tmp_path / made_product().name).exists()
    record.write(tmp_path / "record.json")
    assert FetchRecord.read(tmp_path / "record.json") == record


def test_two_processes_do_not_fetch_one_product(tmp_path: Path) -> None:
    product = made_product()
    fetched(tmp_path, MemoryProvider(FILES))
    with (tmp_path / ".locks" / product.name).open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process is fetching this product"):
            fetched(tmp_path, MemoryProvider(FILES))


def test_a_provider_that_delivers_nothing_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="delivered nothing"):
        fetched(tmp_path, MemoryProvider({}))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"status": "fetched"}', b"\xff"])
def test_a_broken_record_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no record of a fetched product"):
        FetchRecord.read(path)
