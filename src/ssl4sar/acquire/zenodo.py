"""Fetching the archives of a published record: Zenodo, or any repository with the same interface.

The record's list of files says of each file its name (``key``), size, MD5 and address. What was
fetched is noted in a frozen record, because an address may come to mean a newer version. Nothing in
the answer is trusted: names become plain files of one folder, and addresses lead to the host of the
record or are encrypted.

The archives gather in ``FOLDER.part``, which is not an output of any rule and survives a kill: each
resumes by itself where it stopped, and those that are complete are only compared again.

Source of the format: the REST API reference of InvenioRDM
(https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/) and answers of Zenodo.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssl4sar.acquire.network.download import PART_ENDINGS, DownloadRecord, download
from ssl4sar.core.address import parse_address
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_json, read_json
from ssl4sar.core.hashing import Checksum, file_digests
from ssl4sar.core.progress import log
from ssl4sar.core.retry import Patience
from ssl4sar.core.space import require_space
from ssl4sar.core.wording import printable

RECORD_SCHEMA: Final = "ssl4sar.fetched-record/1"
#: How the names of archives end that :mod:`ssl4sar.acquire.extract` can read.
ARCHIVE_SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz")
#: A plain name of a file, which is not hidden.
_KEY: Final = re.compile(r"[^./\\][^/\\]*")
#: A list of some hundred files has some hundred kilobytes.
_LONGEST_ANSWER_BYTES: Final = 50_000_000
_NAMES_SHOWN: Final = 5
_WRONG_RECORD: Final = "check the address of the record's API"


@dataclass(frozen=True)
class RecordFile:
    """A file of a published record, as its repository describes it.

    Attributes:
        key: plain file name.
        bytes: size.
        checksum: what its content must have.
        url: address of the content.
    """

    key: str
    bytes: int
    checksum: Checksum
    url: str

    @property
    def is_archive(self) -> bool:
        """Whether the name says that it can be extracted."""
        return self.key.lower().endswith(ARCHIVE_SUFFIXES)

    def as_row(self) -> dict[str, Any]:
        """Return name, size and checksum as JSON values."""
        return {"key": self.key, "bytes": self.bytes, "checksum": str(self.checksum)}


@dataclass(frozen=True)
class PublishedRecord:
    """What a repository says of a record.

    Attributes:
        facts: identifier, DOI, version, title, licence and date; None where it does not say.
        files: all files, by name.
    """

    facts: Mapping[str, str | None]
    files: tuple[RecordFile, ...]

    @property
    def archives(self) -> tuple[RecordFile, ...]:
        """Files that can be extracted."""
        return tuple(file for file in self.files if file.is_archive)

    @property
    def others(self) -> tuple[RecordFile, ...]:
        """Files that cannot."""
        return tuple(file for file in self.files if not file.is_archive)


def fetch_archives(
    address: str, folder: str | Path, patience: Patience | None = None
) -> dict[str, Any]:
    """Download all archives of a record into a folder that appears complete or not at all.

    Args:
        address: the record in the API of its repository, ``https://HOST/api/records/ID``.
        folder: where the archives go, under their own names; an older one is replaced.
        patience: with the server, for each file; None: that of a download.

    Returns:
        The frozen record as JSON values: what the repository said and the SHA-256 of each archive.

    Raises:
        UserError: bad address, host unreachable, no such record, a damaged answer, no archive in
            it, a name or address that is not safe, another checksum, another process downloads
            the same files, or no space left.
    """
    folder = Path(folder)
    staging = folder.with_name(folder.name + ".part")
    published = _read_record(address, staging.with_name(staging.name + ".answer.json"), patience)
    archives = published.archives
    if not archives:
        raise UserError(
            address,
            f"the record has no zip or tar archive, only {_names(published.files)}",
            _WRONG_RECORD,
        )
    if published.others:
        log(f"not fetched, because these are not archives: {_names(published.others)}")
    downloads = _present(staging, archives)
    missing = [file for file in archives if file.key not in downloads]
    parts = (staging / f"{file.key}.part" for file in missing)
    begun_bytes = sum(part.stat().st_size for part in parts if part.is_file())
    require_space(folder, sum(file.bytes for file in missing) - begun_bytes)
    for file in missing:
        downloads[file.key] = download(
            file.url, staging / file.key, file.checksum, size_bytes=file.bytes, patience=patience
        )
    _appear(staging, folder)
    return {
        "schema": RECORD_SCHEMA,
        "address": address,
        **published.facts,
        "archives": [
            {**file.as_row(), "url": file.url, "sha256": downloads[file.key].sha256}
            for file in archives
        ],
        "not_fetched": [file.as_row() for file in published.others],
    }


def _read_record(address: str, answer: Path, patience: Patience | None) -> PublishedRecord:
    try:
        download(address, answer, longest_bytes=_LONGEST_ANSWER_BYTES, patience=patience)
        return parse_record(answer.read_bytes(), address)
    finally:
        answer.unlink(missing_ok=True)


def archive_names(record: str | Path) -> list[str]:
    """Return the names of the archives in a frozen record.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        content = read_json(record)
        if content["schema"] != RECORD_SCHEMA:
            raise ValueError(content["schema"])  # noqa: TRY301 - reported like any other damage
        return [str(archive["key"]) for archive in content["archives"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            record, "this is not a record of a download", "remove it and download again"
        ) from error


class _Entry(BaseModel):
    """A file in the list of a record."""

    model_config = ConfigDict(strict=True)

    key: str = Field(max_length=200)
    size: int = Field(ge=0)
    checksum: str
    links: dict[str, Any] = {}

    def file(self, address: str) -> RecordFile:
        """Return the file that an entry of the record at an address means."""
        if not _KEY.fullmatch(self.key) or not self.key.isprintable():
            raise ValueError(f"file name {self.key[:80]!r} is not a plain one")
        # In lists of InvenioRDM "self" describes the file; in Zenodo's records it is the content.
        record = address.partition("?")[0].rstrip("/")
        default = f"{record}/files/{quote(self.key, safe='')}/content"
        url = next((self.links[n] for n in ("content", "self") if n in self.links), default)
        meant = parse_address(url)
        if meant.scheme != "https" and meant.origin != parse_address(address).origin:
            raise ValueError(f"{self.key}: its address is neither https nor the host of the record")
        return RecordFile(self.key, self.size, Checksum.parse(self.checksum), str(url))


def parse_record(answer: bytes, address: str) -> PublishedRecord:
    """Read what a repository says of a record.

    Two forms are understood: Zenodo's (``files`` is a list whose ``links.self`` leads to the
    content), and InvenioRDM's (``files.entries`` by name, or a list with ``links.content``).

    Args:
        answer: JSON.
        address: where it came from; relative to it addresses are assessed.

    Returns:
        Facts and files, sorted by name.

    Raises:
        UserError: damaged, without files, or with an entry that is not complete and safe.
    """
    try:
        record = parse_json(answer)
        files = [_Entry.model_validate(each).file(address) for each in _entries(record)]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        problem = f"its list of files is damaged ({key}: {first['msg']})"
        raise UserError(address, problem, _WRONG_RECORD) from error
    except (ValueError, TypeError, AttributeError) as error:
        problem = f"the answer is not a record of an API: {printable(error, 200)}"
        raise UserError(address, problem, _WRONG_RECORD) from error
    if not files:
        raise UserError(address, "the record has no files, or none that are open", _WRONG_RECORD)
    if len({file.key.casefold() for file in files}) != len(files):
        raise UserError(address, "two files of the record have the same name", _WRONG_RECORD)
    return PublishedRecord(_facts(record), tuple(sorted(files, key=lambda file: file.key)))


def _entries(record: Mapping[str, Any]) -> list[Any]:
    listed = record.get("files", [])
    if isinstance(listed, dict):
        listed = listed.get("entries") or []
    if isinstance(listed, dict):
        listed = [{"key": key, **entry} for key, entry in listed.items()]
    return list(listed)


def _facts(record: Mapping[str, Any]) -> dict[str, str | None]:
    metadata = _table(record.get("metadata"))
    pid = _table(_table(record.get("pids")).get("doi"))
    rights = metadata.get("license") or metadata.get("rights")
    rights = rights[0] if isinstance(rights, list) and rights else rights
    facts = {
        "id": record.get("id"),
        "doi": record.get("doi") or metadata.get("doi") or pid.get("identifier"),
        "concept_doi": record.get("conceptdoi"),
        "version": metadata.get("version"),
        "title": record.get("title") or metadata.get("title"),
        "license": rights.get("id") if isinstance(rights, dict) else rights,
        "published": metadata.get("publication_date"),
        "modified": record.get("modified") or record.get("updated"),
    }
    return {
        name: str(fact) if isinstance(fact, str | int) and fact != "" else None
        for name, fact in facts.items()
    }


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(files: Iterable[RecordFile]) -> str:
    names = [file.key for file in files]
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")


def _present(staging: Path, archives: Iterable[RecordFile]) -> dict[str, DownloadRecord]:
    """Return the archives that an earlier try has completed; what the record lacks is removed."""
    listed = {file.key: file for file in archives}
    unfinished = {key + ending for key in listed for ending in PART_ENDINGS}
    found = {}
    for path in sorted(staging.iterdir()) if staging.is_dir() else ():
        if path.name in unfinished or not path.is_file():
            continue
        file = listed.get(path.name)
        if file is not None:
            digests = file_digests(path, {"sha256", file.checksum.algorithm})
            if digests[file.checksum.algorithm] == file.checksum.digits:
                log(f"{file.key}: already here, {file.checksum.algorithm.upper()} as published")
                found[file.key] = DownloadRecord(file.url, path.stat().st_size, digests["sha256"])
                continue
        path.unlink()
    return found


def _appear(staging: Path, folder: Path) -> None:
    """Give the complete folder its name."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
    try:
        staging.replace(folder)
    except OSError as error:
        raise UserError(
            folder, f"the downloaded files cannot be moved here ({error.strerror})", "rerun"
        ) from error
