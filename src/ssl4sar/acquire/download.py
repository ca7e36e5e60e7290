"""Downloading one large file: resumable, verified, complete or absent.

The bytes go to ``NAME.part``, which survives a kill and is no output of any rule, so that the next
try goes on where this one stopped. What the server said about the version of the file lies beside
it in ``NAME.part.json``; a changed file is downloaded anew.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self
from urllib.parse import urlsplit

import requests

from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum, file_digests
from ssl4sar.core.progress import tell, track

USER_AGENT: Final = "ssl4sar (calving fronts from SAR images)"
#: What a broken connection loses at most.
_CHUNK_BYTES: Final = 1 << 16
_MIB: Final = 1 << 20
_LONGEST_WAIT_S: Final = 60.0
_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ALGORITHM_NAMES: Final = {"md5": "MD5", "sha256": "SHA-256", "sha512": "SHA-512"}
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


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
class _Version:
    """What the server said of the file that a part belongs to."""

    url: str
    validator: str | None
    total_bytes: int | None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # without it the part is of an unknown version: start anew


class _TransientError(Exception):
    """A failure that may pass; ``wait_s`` is what the server asked for."""

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


def download(
    url: str,
    target: str | Path,
    expected: Checksum | None = None,
    *,
    user_agent: str = USER_AGENT,
    attempts: int = 6,
    first_wait_s: float = 1.0,
    timeout_s: float = 60.0,
) -> DownloadRecord:
    """Download a file over HTTP, resuming an earlier try.

    Args:
        url: http or https address.
        target: file to write; an older one is replaced once the new one is complete and verified.
        expected: checksum that the content must have; None accepts any complete content.
        user_agent: what the server is told.
        attempts: tries in a row without a single new byte before giving up.
        first_wait_s: wait after the first failure; it doubles each time, up to a minute.
        timeout_s: longest silence of the server.

    Returns:
        Address, size and hash.

    Raises:
        UserError: bad address, host unreachable, refused by the server, another checksum,
            another process downloads the same file, or no space left.
        ValueError: ``attempts`` is below 1.
    """
    if attempts < 1:
        raise ValueError("at least one attempt is needed")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UserError(url, "this is no http or https address", "correct the address")
    target = Path(target)
    with _writable(target), _part_file(target) as part:
        session = requests.Session()
        session.headers["User-Agent"] = user_agent
        # A compressed transfer could neither be resumed nor compared with the announced length.
        session.headers["Accept-Encoding"] = "identity"
        with session:
            _fetch_patiently(session, url, target, part, attempts, first_wait_s, timeout_s)
        return _finish(url, target, expected)


def _part_path(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _version_path(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except requests.RequestException:
        raise  # a kind of OSError, but not one of the disk
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise UserError(
                target,
                "no space left on the disk or quota",
                "free some space and rerun: the download goes on where it stopped",
            ) from error
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise UserError(
                target, "the folder cannot be written", "check its permissions and rerun"
            ) from error
        raise


@contextmanager
def _part_file(target: Path) -> Iterator[BinaryIO]:
    """Open the part for appending, for this process alone."""
    with _part_path(target).open("ab") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                target,
                "another process is downloading this file",
                "wait for it, or end it and rerun",
            ) from error
        except OSError as error:
            # Some network file systems know no locks; the download itself works there.
            tell(f"{target.name}: the file cannot be locked ({error.strerror})")
        if not _is_still(part):
            # Its owner finished it between our opening and locking: it is no part any more.
            raise UserError(
                target, "another process has just downloaded this file", "rerun to use it"
            )
        try:
            yield part
        finally:
            if _is_still(part) and _size(part) == 0:
                _part_path(target).unlink()
                _version_path(target).unlink(missing_ok=True)


def _fetch_patiently(
    session: requests.Session,
    url: str,
    target: Path,
    part: BinaryIO,
    attempts: int,
    first_wait_s: float,
    timeout_s: float,
) -> None:
    """Fetch until the part is complete; tries that bring bytes do not count as failures."""
    failures = 0
    while True:
        before = _size(part)
        try:
            _fetch_once(session, url, target, part, timeout_s)
        except _TransientError as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= attempts:
                raise UserError(
                    url,
                    f"the download failed {failures} times in a row ({error})",
                    "check the connection and rerun: it goes on where it stopped",
                ) from error
            wait_s = error.wait_s or min(first_wait_s * 2 ** (failures - 1), _LONGEST_WAIT_S)
            tell(f"{target.name}: {error}; next try in {wait_s:.0f} s")
            time.sleep(wait_s)
        else:
            return


def _fetch_once(
    session: requests.Session, url: str, target: Path, part: BinaryIO, timeout_s: float
) -> None:
    start, version = _resumable(url, target, part)
    if version is not None and start == version.total_bytes:
        return
    headers = {}
    if version is not None and version.validator is not None:
        headers = {"Range": f"bytes={start}-", "If-Range": version.validator}
    try:
        with session.get(url, headers=headers, stream=True, timeout=timeout_s) as response:
            total = _accept(response, url, target, part, version)
            _require_space(target, total, _size(part))
            _receive(response, target, part, total)
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise _TransientError(_reason(error)) from error
    except requests.RequestException as error:
        raise UserError(url, f"the download failed ({error})", "check the address") from error


def _resumable(url: str, target: Path, part: BinaryIO) -> tuple[int, _Version | None]:
    """Return how much is there and of which version; a useless rest is thrown away."""
    size = _size(part)
    version = _Version.read(_version_path(target)) if size else None
    useful = (
        version is not None
        and version.url == url
        and (version.validator is not None or size == version.total_bytes)
        and (version.total_bytes is None or size <= version.total_bytes)
    )
    if not useful:
        part.truncate(0)
        return 0, None
    return size, version


def _accept(
    response: requests.Response, url: str, target: Path, part: BinaryIO, version: _Version | None
) -> int | None:
    """Bring the part in line with an answer; return the size of the whole file if it is told."""
    start = _size(part)
    if response.status_code == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        same = version is not None and _validator(response) in {version.validator, None}
        if match is not None and same and int(match[1]) == start:
            tell(f"{target.name}: going on after {start / 1e6:.1f} MB")
            return int(match[3])
        part.truncate(0)
        raise _TransientError("the server sent another part than asked for")
    if response.status_code == 416:
        part.truncate(0)
        raise _TransientError("the file on the server is shorter than what is here")
    _refuse(response, url)
    if start:
        tell(f"{target.name}: starting anew: the file has changed or the server cannot resume")
    part.truncate(0)
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    write_json(_version_path(target), asdict(_Version(url, _validator(response), total)))
    return total


def _refuse(response: requests.Response, url: str) -> None:
    """Raise where the answer is not the file."""
    status = response.status_code
    if status in _TRANSIENT_STATUS:
        asked = response.headers.get("Retry-After", "")
        wait_s = min(float(asked), _LONGEST_WAIT_S) if asked.isdigit() else None
        raise _TransientError(f"the server answered {status} {response.reason}", wait_s)
    if status in {404, 410}:
        raise UserError(url, f"the file is not there (HTTP {status})", "correct the address")
    if status in {401, 403}:
        raise UserError(
            url, f"the server refuses access (HTTP {status})", "check address and access rights"
        )
    if status != 200:
        raise UserError(
            url, f"the server answered {status} {response.reason}", "correct the address"
        )


def _validator(response: requests.Response) -> str | None:
    """Return what tells this version of the file from others, for the header If-Range."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):  # a weak tag does not promise equal bytes
        return etag
    return response.headers.get("Last-Modified")


def _require_space(target: Path, total_bytes: int | None, present_bytes: int) -> None:
    if total_bytes is None:
        return
    missing = total_bytes - present_bytes
    free = shutil.disk_usage(target.parent).free
    if missing > free:
        raise UserError(
            target,
            f"{missing / 1e9:.2f} GB are to come, {free / 1e9:.2f} GB are free on the disk",
            "free some space and rerun",
        )


def _receive(
    response: requests.Response, target: Path, part: BinaryIO, total_bytes: int | None
) -> None:
    present = _size(part)
    mib = None if total_bytes is None else -(-(total_bytes - present) // _MIB)
    for _ in track(_write(response, part), f"downloading {target.name} (MiB)", total=mib):
        pass
    size = _size(part)
    if total_bytes is None or size == total_bytes:
        return
    if size > total_bytes:
        part.truncate(0)
    raise _TransientError(f"{size} of {total_bytes} bytes arrived")


def _write(response: requests.Response, part: BinaryIO) -> Iterator[None]:
    """Write what arrives and yield once per begun MiB."""
    pending = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        part.write(chunk)
        part.flush()
        pending += len(chunk)
        if pending >= _MIB:
            pending -= _MIB
            yield
    if pending:
        yield


def _finish(url: str, target: Path, expected: Checksum | None) -> DownloadRecord:
    """Verify the part and give it its name; the lock is still held."""
    part = _part_path(target)
    algorithm = "sha256" if expected is None else expected.algorithm
    digests = file_digests(part, {"sha256", algorithm})
    if expected is not None and digests[algorithm] != expected.digits:
        part.unlink()
        _version_path(target).unlink(missing_ok=True)
        raise UserError(
            url,
            f"the content has {_ALGORITHM_NAMES[algorithm]} {digests[algorithm]}, "
            f"expected {expected.digits}",
            "rerun to download again; if it stays, the expected hash is wrong",
        )
    record = DownloadRecord(url, part.stat().st_size, digests["sha256"])
    part.replace(target)
    _version_path(target).unlink(missing_ok=True)
    return record


def _size(part: BinaryIO) -> int:
    return os.fstat(part.fileno()).st_size


def _is_still(part: BinaryIO) -> bool:
    """Tell whether the open file still lies under the name it was opened by."""
    try:
        return os.path.samestat(os.fstat(part.fileno()), Path(part.name).stat())
    except FileNotFoundError:
        return False


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return f"no safe connection ({error})"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "the host does not answer"
    if isinstance(error, requests.exceptions.Timeout):
        return "the server fell silent"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    # requests reports an unknown host, a refused connection and a broken one by one class.
    return "the host cannot be reached or the connection broke off"
