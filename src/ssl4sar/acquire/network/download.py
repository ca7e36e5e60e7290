"""Downloading one large file: resumable, verified, complete or absent.

The bytes go to ``NAME.part``, which survives a kill and is not an output of any rule, so that the
next try resumes where this one stopped. What the server said about the version of the file is
beside it in ``NAME.part.json``: a part is only continued with bytes of the same version, for the
server's validator (ETag, Last-Modified) is sent back as If-Range (RFC 9110, 13.1.5).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

import requests

from ssl4sar.acquire.network.access import Access, require_web_address
from ssl4sar.acquire.network.exchange import (
    TRANSIENT_STATUS,
    Limits,
    failing_line,
    guarded_session,
    pieces,
    transient_error,
)
from ssl4sar.core.atomic import NO_SPACE, sync, write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json, read_json
from ssl4sar.core.hashing import Checksum, can_compute, file_digests
from ssl4sar.core.lock import sole
from ssl4sar.core.progress import log, track_bytes
from ssl4sar.core.retry import Failures, Patience, TransientError
from ssl4sar.core.space import free_bytes, require_space

#: What a killed download leaves beside the file, by the end of its name.
PART_ENDINGS: Final = (".part", ".part.json", ".part.lock")
#: Encodings that are undone on the way (RFC 9110, 8.4.1); a file is asked for without any.
_DECODED: Final = frozenset({"identity", "gzip", "x-gzip", "deflate"})
_PACKED_AGAIN_BYTES: Final = 64_000_000
#: Of a file of unknown size the disk is not filled to the last byte.
_LEFT_FREE_BYTES: Final = 200_000_000
#: Numbers of more digits are not sizes, and too long ones are an error of the language.
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
_UNSATISFIED_RANGE: Final = re.compile(r"bytes \*/([0-9]{1,18})")
#: Files that may well be a message: answers of an interface.
_TALKING_SUFFIXES: Final = frozenset({".json", ".geojson", ".html"})
#: No message is longer, and no product is shorter by much.
_LONGEST_MESSAGE_BYTES: Final = 1 << 16
_ROOT: Final = re.compile(rb"<([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_ERROR_ROOTS: Final = frozenset(
    {b"error", b"errors", b"fault", b"exception", b"exceptionreport", b"serviceexceptionreport"}
)
_ERROR_KEYS: Final = frozenset({"error", "errors", "detail", "message"})


class NotThereError(UserError):
    """The server says that there is no such file (any more)."""


class WrongContentError(UserError):
    """The server delivers, repeatedly and completely, something else than was announced."""


class _OverlongError(Exception):
    """The server sends more than a file can have; the message is a phrase for people."""


@dataclass(frozen=True)
class DownloadRecord:
    """What was downloaded.

    Attributes:
        url: address that was asked for.
        bytes: size of the file.
        sha256: hash of its content.
    """

    url: str
    bytes: int
    sha256: str

    def write(self, path: str | Path) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class _Wanted:
    """What is downloaded; arguments of `download`."""

    url: str
    access: Access
    size_bytes: int | None
    checksums: tuple[Checksum, ...]
    is_binding: bool
    longest_bytes: int | None

    @property
    def required_bytes(self) -> int | None:
        """Size that the content must have; None where it may have any."""
        return self.size_bytes if self.is_binding else None

    @property
    def most_bytes(self) -> int | None:
        """Bytes beyond which nothing is written; None where only the disk sets a limit."""
        if self.size_bytes is None:
            return self.longest_bytes
        # A product that was packed again differs by its compression, not by its kind of size.
        return self.size_bytes if self.is_binding else 2 * self.size_bytes + _PACKED_AGAIN_BYTES


@dataclass(frozen=True)
class _Version:
    """What the server said of the file that a part belongs to."""

    url: str
    validator: str | None
    total_bytes: int | None


class _Part:
    """The bytes of an unfinished file, open for appending."""

    def __init__(self, target: Path, stream: BinaryIO) -> None:
        self.target = target
        self.path, self._version_path, _ = _beside(target)
        self._stream = stream

    @property
    def size(self) -> int:
        """Bytes so far."""
        return os.fstat(self._stream.fileno()).st_size

    @property
    def version(self) -> _Version | None:
        """Version of the file; None where it is not known."""
        try:
            return _Version(**read_json(self._version_path))
        except (OSError, ForeignTextError, TypeError):
            return None

    @version.setter
    def version(self, version: _Version) -> None:
        write_json(self._version_path, asdict(version))

    def append(self, content: bytes) -> None:
        """Write what arrived."""
        self._stream.write(content)
        self._stream.flush()

    def clear(self) -> None:
        """Throw away all bytes."""
        self._stream.truncate(0)

    def finish(self) -> None:
        """Give the file its name."""
        # A power cut must not leave a complete name with an incomplete content.
        sync(self.path)
        self.path.replace(self.target)
        with suppress(OSError):  # not every file system can do that for a folder
            sync(self.target.parent)
        self._version_path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove a part without bytes."""
        if self.path.exists() and self.size == 0:
            self.path.unlink()
            self._version_path.unlink(missing_ok=True)


def _beside(target: Path) -> tuple[Path, Path, Path]:
    """Return where part, version and lock of an unfinished file are."""
    part, version, lock = (target.with_name(target.name + ending) for ending in PART_ENDINGS)
    return part, version, lock


def download(
    url: str,
    target: str | Path,
    expected: Checksum | Sequence[Checksum] | None = None,
    *,
    access: Access | None = None,
    size_bytes: int | None = None,
    is_binding: bool = True,
    longest_bytes: int | None = None,
    patience: Patience | None = None,
) -> DownloadRecord:
    """Download a file over HTTP, resuming an earlier try.

    Args:
        url: http or https address.
        target: file to write; an older one is replaced once the new one is complete and verified.
        expected: checksums that the content must have, all of them; one that cannot be computed
            here (BLAKE3 without its library) is left out, None accepts any complete content.
        access: how the address is opened: token, hosts, slots; None opens it as it is.
        size_bytes: size that it must have; None accepts any, and so does 0, which catalogues say
            where they do not know.
        is_binding: whether size and checksums must hold. If not, any complete content is accepted,
            and the caller assesses it.
        longest_bytes: size at which a file of no listed size is given up; None sets the limit of
            the free disk alone.
        patience: with the server, as long as not a single new byte comes; None: that of
            :class:`Patience`.

    Returns:
        Address, size and hash.

    Raises:
        NotThereError: the server has no such file.
        WrongContentError: another size or checksum, also after downloading it a second time.
        UserError: bad address, host unreachable or foreign, refused by the server, another process
            downloads the same file, or no space left.
    """
    require_web_address(url)
    target, access, patience = Path(target), access or Access(), patience or Patience()
    listed = [expected] if isinstance(expected, Checksum) else list(expected or ())
    checksums = tuple(each for each in listed if can_compute(each.algorithm))
    wanted = _Wanted(url, access, size_bytes or None, checksums, is_binding, longest_bytes)
    limits = Limits(patience.timeout_s)
    with _opened(target) as part, guarded_session(limits, access.may_carry) as session:
        # A compressed transfer could neither be resumed nor compared with the announced length.
        session.headers["Accept-Encoding"] = "identity"
        sha256 = _fetch_patiently(session, wanted, part, patience)
        record = DownloadRecord(url, part.size, sha256)
        part.finish()
        return record


@contextmanager
def _opened(target: Path) -> Iterator[_Part]:
    """Open the part for appending, for this process alone."""
    path, _, lock = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with sole(lock, target, "is downloading this file", remove=True), path.open("ab") as stream:
            part = _Part(target, stream)
            try:
                yield part
            finally:
                part.tidy()
    except requests.RequestException:
        raise  # a kind of OSError, but not one of the disk
    except OSError as error:
        if error.errno in NO_SPACE:
            raise UserError(
                target,
                "no space left on the disk or quota",
                "free some space and rerun: the download resumes where it stopped",
            ) from error
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise UserError(
                target, "the folder cannot be written", "check its permissions and rerun"
            ) from error
        raise


def _fetch_patiently(
    session: requests.Session, wanted: _Wanted, part: _Part, patience: Patience
) -> str:
    """Fetch until the part is complete and right, and return its SHA-256."""
    failures = Failures(
        patience,
        part.target.name,
        subject=wanted.url,
        what="the download",
        fix="check the connection and rerun: it resumes where it stopped",
    )
    furthest, is_repeated = part.size, False
    while True:
        try:
            _fetch_once(session, wanted, part, patience.timeout_s)
            digests, problem = _verify(wanted, part)
        except _OverlongError as error:
            digests, problem = {}, str(error)
        except TransientError as error:
            # Tries that bring the part further than ever are not failures, unless they trickle.
            if part.size > furthest and not error.is_slow:
                failures.reset()
            furthest = max(furthest, part.size)
            failures.wait(error)
            continue
        if problem is None:
            return digests["sha256"]
        part.clear()
        if is_repeated:
            raise WrongContentError(
                wanted.url,
                problem,
                "it was downloaded twice; rerun later, and if it stays, what is expected is wrong",
            )
        is_repeated, furthest = True, 0
        log(f"{part.target.name}: {problem}; downloading it once more")


def _verify(wanted: _Wanted, part: _Part) -> tuple[dict[str, str], str | None]:
    """Return the digests of a complete part and what is wrong with it, if anything."""
    checksums = wanted.checksums if wanted.is_binding else ()
    digests = file_digests(part.path, {"sha256", *(each.algorithm for each in checksums)})
    if wanted.required_bytes not in {None, part.size}:
        return digests, f"the content has {part.size} bytes, expected {wanted.required_bytes}"
    for each in checksums:
        if digests[each.algorithm] != each.digits:
            found = f"{each.algorithm.upper()} {digests[each.algorithm]}"
            return digests, f"the content has {found}, expected {each.digits}"
    if not checksums and part.target.suffix.lower() not in _TALKING_SUFFIXES:
        with part.path.open("rb") as stream:
            kind = message_kind(stream.read(_LONGEST_MESSAGE_BYTES + 1))
        if kind is not None:
            part.clear()
            raise TransientError(f"the server sent {kind} instead of the file")
    return digests, None


def _fetch_once(session: requests.Session, wanted: _Wanted, part: _Part, timeout_s: float) -> None:
    """Ask for what is missing and append it; the part is complete if nothing is raised."""
    version = part.version if part.size else None
    if version is None or not _is_useful(wanted, part.size, version):
        part.clear()
        version = None
    headers = {}
    if version is not None:
        if part.size == (wanted.required_bytes or version.total_bytes):
            return
        headers["Range"] = f"bytes={part.size}-"
        if version.validator is not None:
            headers["If-Range"] = version.validator
    with (
        failing_line(wanted.url, "check the address"),
        wanted.access.open(session, wanted.url, headers, timeout_s=timeout_s) as response,
    ):
        total = _accept(response, wanted, part, version)
        if total != part.size:
            require_space(part.target, 0 if total is None else total - part.size)
            _receive(response, wanted, part, total)


def _is_useful(wanted: _Wanted, size: int, version: _Version) -> bool:
    """Return whether a part can be continued."""
    total = wanted.required_bytes or version.total_bytes
    if version.url != wanted.url or (total is not None and size > total):
        return False
    # Products never change under their identifier. Where the server names no version of a file,
    # its checksum, or that of each file in an archive, shows whether the parts belong together.
    is_checked = bool(wanted.checksums) and total == wanted.size_bytes
    return version.validator is not None or is_checked


def _accept(
    response: requests.Response, wanted: _Wanted, part: _Part, version: _Version | None
) -> int | None:
    """Bring the part in line with an answer; return the size of the whole file if it is known."""
    name = part.target.name
    is_encoded = _is_encoded(response, wanted.url)
    if response.status_code == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        versions = {_validator(response), version.validator if version else None} - {None}
        is_next = found is not None and int(found[1]) == part.size and len(versions) < 2
        if version is None or found is None or is_encoded or not is_next:
            part.clear()
            raise TransientError("the server sent another part than asked for")
        log(f"{name}: resuming after {part.size / 1e6:.1f} MB")
        total = wanted.required_bytes or version.total_bytes
        return total if found[2] == "*" else int(found[2])
    if response.status_code == 416:
        end = _UNSATISFIED_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if end and int(end[1]) == part.size and wanted.required_bytes in {None, part.size}:
            return part.size  # the announced length was a lie: all of it is here
        part.clear()
        raise TransientError("the file on the server is shorter than what is here")
    _refuse(response, wanted.url)
    length = _LENGTH.fullmatch(response.headers.get("Content-Length", ""))
    # The length of an encoded answer is not that of the file.
    announced = None if length is None or is_encoded else int(length[0])
    if part.size:
        if announced is not None and announced < _LONGEST_MESSAGE_BYTES < part.size:
            # The page of a proxy: what is here must not be thrown away for it.
            raise TransientError("the server sent a short message instead of the file")
        log(f"{name}: starting again: the file has changed or the server cannot resume")
    part.clear()
    part.version = _Version(wanted.url, None if is_encoded else _validator(response), announced)
    return announced


def _refuse(response: requests.Response, url: str) -> None:
    """Raise where the answer is not the file."""
    status = response.status_code
    said = f"the server answered {status} {response.reason}"
    if status in TRANSIENT_STATUS:
        raise transient_error(response, said)
    if status in {404, 410}:
        raise NotThereError(url, f"the file is not there (HTTP {status})", "correct the address")
    if status in {401, 403}:
        raise UserError(
            url, f"the server refuses access (HTTP {status})", "check address and access rights"
        )
    if status != 200:
        raise UserError(url, said, "correct the address")


def _is_encoded(response: requests.Response, url: str) -> bool:
    """Return whether an answer is encoded though nobody asked for it; it is decoded on the way."""
    named = response.headers.get("Content-Encoding", "").lower() or "identity"
    if named not in _DECODED:
        raise UserError(
            url, f"the server sends it encoded as {named}, unasked", "report it to the service"
        )
    return named != "identity"


def _validator(response: requests.Response) -> str | None:
    """Return what distinguishes this version of the file from others, for the header If-Range."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):  # a weak tag does not promise equal bytes
        return etag
    return response.headers.get("Last-Modified")


def _receive(
    response: requests.Response, wanted: _Wanted, part: _Part, total_bytes: int | None
) -> None:
    """Append what arrives: all of what was announced, and no more than the file can have."""
    present = part.size
    free = free_bytes(part.target)
    most_bytes = wanted.most_bytes or present + max(free - _LEFT_FREE_BYTES, 0)

    def written() -> Iterator[int]:
        size = present
        for piece in pieces(response):
            size += len(piece)
            if size > most_bytes and wanted.most_bytes is None:
                raise UserError(
                    part.target,
                    f"{free / 1e9:.2f} GB were free on the disk, and the file has no end yet",
                    "free some space and rerun",
                )
            if size > most_bytes:
                listed = f", {wanted.size_bytes} are listed" if wanted.size_bytes else ""
                raise _OverlongError(f"the server sends more than {most_bytes} bytes{listed}")
            if total_bytes is not None and size > total_bytes:
                part.clear()
                raise TransientError(f"more than the {total_bytes} bytes announced arrived")
            part.append(piece)
            yield len(piece)

    track_bytes(written(), f"downloading {part.target.name}", total_bytes, present)
    if part.size == 0:
        raise TransientError("the server sent nothing")
    if total_bytes not in {None, part.size}:
        raise TransientError(f"{part.size} of {total_bytes} bytes arrived")


def message_kind(content: bytes) -> str | None:
    """Return what kind of error message a server sent, with status 200, in place of a file.

    Returns:
        "an XML error message", "a JSON error message" or "a web page"; None for anything else and
        anything above 64 KiB. The message itself is not repeated: it may hold anything.
    """
    if len(content) > _LONGEST_MESSAGE_BYTES:
        return None
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if content[:1] == b"<":
        root = _ROOT.search(content)  # declarations and comments begin with another sign
        name = root[2].lower() if root else b""
        is_page = name == b"html" or content[:14].lower() == b"<!doctype html"
        return "a web page" if is_page else "an XML error message" if name in _ERROR_ROOTS else None
    try:
        answer = parse_json(content) if content[:1] == b"{" else None
    except ForeignTextError:
        return None
    is_message = isinstance(answer, dict) and _ERROR_KEYS & {key.lower() for key in answer}
    return "a JSON error message" if is_message else None
