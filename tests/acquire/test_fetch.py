"""A product is there whole, or missing with a reason; nothing is fetched twice."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_products import MemoryProvider, made_product

from ssl4sar.acquire.fetch import CONTENT_NAME, fetch_product, wanted_polarisation
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.acquire.query import Selection
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import FileRecord

FILES = {"manifest.safe": b"<xml/>", "measurement/hh.tiff": b"pixels" * 100}


def fetched(tmp_path: Path, provider: MemoryProvider, product: Product | None = None, **selection):
    product = product or made_product()
    return fetch_product(product, provider, tmp_path / product.name, Selection(**selection))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read to be recorded, as they are."""
    names: list[str] = []
    real = FileRecord.of

    def counted(path: Path) -> FileRecord:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(FileRecord, "of", counted)
    return names


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
    # What a catalogue may later say of the same product.
    offline = replace(made_product(), online=False, urls={"product": "http://elsewhere"})
    again = fetched(tmp_path, provider, offline)
    assert again.files == first.files
    assert again.product == offline.as_row()
    assert provider.fetches == 1


@pytest.mark.parametrize(
    "changes",
    [{"size_bytes": 2_000}, {"checksums": {"md5": "1" * 32}}],
    ids=lambda c: next(iter(c)),
)
def test_an_archive_that_is_listed_with_other_content_is_fetched_again(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    fetched(tmp_path, MemoryProvider(FILES, archive=True))
    newer = MemoryProvider({"manifest.safe": b"<new/>"}, archive=True)
    record = fetched(tmp_path, newer, made_product(**changes))
    assert newer.fetches == 1
    assert [file.bytes for file in record.files.values()] == [len(b"<new/>")]


#: What catalogues fill in long after a product was published.
FILLED_IN = (
    {"checksums": {"md5": "0" * 32, "blake3": "2" * 64}},
    {"checksums": {}},
    {"size_bytes": None},
    {"processor_version": "3.40"},
    {"id": "another"},
)


@pytest.mark.parametrize("changes", FILLED_IN, ids=str)
@pytest.mark.parametrize("archive", [False, True])
def test_what_a_catalogue_fills_in_fetches_nothing(
    tmp_path: Path, changes: dict[str, Any], archive: bool
) -> None:
    provider = MemoryProvider(FILES, archive=archive)
    first = fetched(tmp_path, provider)
    # Offline by now: had it to be fetched, it were lost.
    now = made_product(online=False, **changes)
    again = fetched(tmp_path, MemoryProvider(missing="it is offline"), now)
    assert again.status == "fetched"
    assert again.files == first.files
    assert again.product == now.as_row()
    back = fetched(tmp_path, MemoryProvider(missing="it is offline"))
    assert back == first


@pytest.mark.parametrize(
    "changes",
    [{"size_bytes": 2_000}, {"checksums": {"md5": "1" * 32}}],
    ids=lambda c: next(iter(c)),
)
def test_single_files_are_proven_by_their_manifest_and_not_by_the_archive(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    provider = MemoryProvider(FILES)
    fetched(tmp_path, provider)
    assert fetched(tmp_path, provider, made_product(**changes)).status == "fetched"
    assert provider.fetches == 1


HV_FILES = {"manifest.safe": b"<xml/>", "measurement/hv.tiff": b"cross" * 100}


def test_another_polarisation_joins_the_first(tmp_path: Path, read: list[str]) -> None:
    co, cross = MemoryProvider(FILES), MemoryProvider(HV_FILES)
    first = fetched(tmp_path, co, polarisation="HH")
    both = fetched(tmp_path, cross, polarisation="HV")
    assert both.polarisations == ("HH", "HV")
    folder = f"{made_product().name}.SAFE"
    assert set(both.files) == {f"{folder}/{name}" for name in (*FILES, *HV_FILES)}
    assert first.files.items() <= both.files.items()
    for name, file in both.files.items():
        assert sha256_file(tmp_path / made_product().name / name) == file.sha256
    read.clear()
    # From now on each of the two configurations finds what it wants, and writes the same record.
    assert fetched(tmp_path, co, polarisation="HH") == both
    assert fetched(tmp_path, cross, polarisation="HV") == both
    assert (co.fetches, cross.fetches) == (1, 1)
    assert set(read) == {CONTENT_NAME}


def test_an_optical_product_has_no_polarisation(tmp_path: Path) -> None:
    provider = MemoryProvider(FILES)
    image = made_product(mission="sentinel-2", polarisations=())
    fetched(tmp_path, provider, image, polarisation="HH")
    fetched(tmp_path, provider, image, polarisation="HV")
    assert provider.fetches == 1


def test_what_a_killed_try_wrote_of_the_product_is_no_part_of_it(tmp_path: Path) -> None:
    product = made_product()
    partial = tmp_path / f".{product.name}.memory.HH.partial"
    partial.mkdir()
    (partial / CONTENT_NAME).write_text("of a killed try")
    provider = MemoryProvider({"hh.tiff": b"co"}, plain=True)
    assert set(fetched(tmp_path, provider).files) == {"hh.tiff"}
    assert fetched(tmp_path, provider).status == "fetched"
    assert provider.fetches == 1


def test_a_polarisation_that_cannot_be_had_leaves_the_first(tmp_path: Path) -> None:
    first = fetched(tmp_path, MemoryProvider(FILES), polarisation="HH")
    gone = MemoryProvider(missing="it has only HH")
    assert fetched(tmp_path, gone, polarisation="HV").status == "missing"
    assert fetched(tmp_path, gone, polarisation="HH") == first


def test_damaged_files_of_the_first_polarisation_do_not_join(tmp_path: Path) -> None:
    fetched(tmp_path, MemoryProvider(FILES), polarisation="HH")
    next(tmp_path.rglob("hh.tiff")).write_bytes(b"damaged")
    record = fetched(tmp_path, MemoryProvider(HV_FILES), polarisation="HV")
    assert record.polarisations == ("HV",)
    assert not list(tmp_path.rglob("hh.tiff"))


def test_an_archive_has_all_polarisations(tmp_path: Path) -> None:
    provider = MemoryProvider(FILES, archive=True)
    assert fetched(tmp_path, provider, polarisation="HH").polarisations is None
    fetched(tmp_path, provider, polarisation="HV")
    assert provider.fetches == 1


def test_a_rerun_reads_only_what_was_touched(tmp_path: Path, read: list[str]) -> None:
    provider = MemoryProvider(FILES)
    first = fetched(tmp_path, provider)
    read.clear()
    assert fetched(tmp_path, provider) == first
    assert read == [CONTENT_NAME]  # written after the others were recorded
    read.clear()
    os.utime(next(tmp_path.rglob("hh.tiff")))
    assert fetched(tmp_path, provider) == first
    assert read == ["hh.tiff"]
    assert provider.fetches == 1


def test_leftovers_of_an_archive_are_no_part_of_single_files(tmp_path: Path) -> None:
    broken = UserError("line", "broke", "try again")
    provider = MemoryProvider(FILES, failures=[broken])
    with pytest.raises(UserError):
        fetched(tmp_path, provider)
    (partial,) = tmp_path.glob(".*.partial")
    (partial / f"{made_product().name}.zip.part").write_bytes(b"begun")
    other = partial.with_name(partial.name.replace(".memory.", ".elsewhere."))
    (other / "deep").mkdir(parents=True)
    record = fetched(tmp_path, provider)
    assert set(record.files) == {f"{made_product().name}.SAFE/{name}" for name in FILES}
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.glob(".*.partial"))


def test_copolar_is_the_polarisation_that_a_product_has(tmp_path: Path) -> None:
    provider = MemoryProvider(FILES)
    assert fetched(tmp_path, provider).polarisations == ("HH",)
    assert fetched(tmp_path, provider, polarisation="HH").polarisations == ("HH",)
    assert provider.fetches == 1
    vv = made_product(polarisations=("VV", "VH"))
    assert wanted_polarisation(vv, Selection()) == "VV"
    assert wanted_polarisation(made_product(polarisations=()), Selection()) == "copolar"
    image = made_product(mission="sentinel-2", polarisations=())
    assert {wanted_polarisation(image, Selection(each)) for each in ("HH", "HV")} == {"copolar"}


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_a_damaged_product_is_fetched_again(tmp_path: Path, damage: str) -> None:
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
