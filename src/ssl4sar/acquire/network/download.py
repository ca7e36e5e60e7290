"""Downloading one large file: resumable, verified, complete or absent.

The bytes go to ``NAME.part``, which survives a kill and is no output of any rule, so that the next
try goes on where this one stopped. What the server said about the version of the file lies beside
it in ``NAME.part.json``; a changed file is downloaded anew.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import requests

from ssl4sar.acquire.network.access import Access, require_web_address
from ssl4sar.acquire.network.error_answer import error_kind
from ssl4sar.acquire.network.exchange import Limits, guarded_session
from ssl4sar.acquire.network.private_files import is_still
from ssl4sar.acquire.network.transfer import (
    OverlongError,
    Source,
    WrongContentError,
    fetch_once,
    is_pieced,
    part_path,
    part_size,
    version_path,
)
from ssl4sar.core.atomic import NO_SPACE, sync, write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum, can_compute, file_digests
from ssl4sar.core.progress import tell
from ssl4sar.core.retry import Failures, Patience, TransientError

_ALGORITHM_NAMES: Final = {
    "md5": "MD5",
    "sha256": "SHA-256",
    "sha512": "SHA-512",
    "sha3-256": "SHA3-256",
    "blake3": "BLAKE3",
}
#: Files that may well be a message: answers of an interface.
_TALKING_SUFFIXES: Final = frozenset({".json", ".geojson", ".html"})


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


def download(
    url: str,
    target: str | Path,
    expected: Checksum | Sequence[Checksum] | None = None,
    *,
    access: Access | None = None,
    size_bytes: int | None = None,
    is_binding: bool = True,
    longest_bytes: int | None = None,
    attempts: int = 6,
    first_wait_s: float = 1.0,
    timeout_s: float = 60.0,
    busy_s: float = 3600.0,
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
        is_binding: whether size and checksums must hold. If not, a complete content that the server
            delivered as one is accepted whatever they say, and the caller judges it; one continued
            without the server vouching that the pieces belong together must still have them.
        longest_bytes: size at which a file of no listed size is given up; None sets the limit of
            the free disk alone.
        attempts: tries in a row without a single new byte before giving up.
        first_wait_s: wait after the first failure; it doubles each time, up to a minute.
        timeout_s: longest silence of the server.
        busy_s: how long it is waited in all, without a single new byte, while the server says that
            it is busy (429); that does not count as tries.

    Returns:
        Address, size and hash.

    Raises:
        NotThereError: the server has no such file.
        WrongContentError: another size or checksum, also after downloading it a second time.
        UserError: bad address, host unreachable or foreign, refused by the server, another process
            downloads the same file, or no space left.
        ValueError: ``attempts`` is below 1.
    """
    patience = Patience(attempts, first_wait_s, timeout_s, busy_s)
    require_web_address(url)
    target = Path(target)
    listed = [expected] if isinstance(expected, Checksum) else list(expected or ())
    checksums = [checksum for checksum in listed if can_compute(checksum.algorithm)]
    access = access or Access()
    source = Source(
        url, access, size_bytes or None, bool(checksums), is_binding, longest_bytes=longest_bytes
    )
    with _writable(target), _part_file(target) as part:
        session = guarded_session(Limits(timeout_s), access.may_carry)
        # A compressed transfer could neither be resumed nor compared with the announced length.
        session.headers["Accept-Encoding"] = "identity"
        with session:
            sha256 = _fetch_patiently(session, source, target, part, checksums, patience)
        record = DownloadRecord(url, part_size(part), sha256)
        # A power cut must not leave a complete name with an incomplete content.
        sync(part_path(target))
        part_path(target).replace(target)  # the lock is still held
        with suppress(OSError):  # not every file system can do that for a folder
            sync(target.parent)
        version_path(target).unlink(missing_ok=True)
        return record


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except requests.RequestException:
        raise  # a kind of OSError, but not one of the disk
    except OSError as error:
        if error.errno in NO_SPACE:
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
    with part_path(target).open("ab") as part:
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
        if not is_still(part.fileno(), part_path(target)):
            # Its owner finished it between our opening and locking: it is no part any more.
            raise UserError(
                target, "another process has just downloaded this file", "rerun to use it"
            )
        try:
            yield part
        finally:
            if is_still(part.fileno(), part_path(target)) and part_size(part) == 0:
                part_path(target).unlink()
                version_path(target).unlink(missing_ok=True)


def _fetch_patiently(
    session: requests.Session,
    source: Source,
    target: Path,
    part: BinaryIO,
    checksums: Sequence[Checksum],
    patience: Patience,
) -> str:
    """Fetch until the part is complete and right, and return its SHA-256.

    Tries that bring the part further than ever do not count as failures.
    """
    failures = Failures(
        patience,
        target.name,
        subject=source.url,
        what="the download",
        fix="check the connection and rerun: it goes on where it stopped",
    )
    furthest, repeated = part_size(part), False
    while True:
        try:
            fetch_once(session, source, target, part, patience.timeout_s)
            digests, problem = _verify(source, target, part, checksums)
        except OverlongError as error:
            digests, problem = {}, str(error)
        except TransientError as error:
            size = part_size(part)
            # A server that trickles brings it further each time, and would never end.
            if size > furthest and not error.is_slow:
                failures.reset()
            furthest = max(furthest, size)
            failures.wait(error)
            continue
        if problem is None:
            return digests["sha256"]
        part.truncate(0)
        if repeated:
            raise WrongContentError(
                source.url,
                problem,
                "it was downloaded twice; rerun later, and if it stays, what is expected is wrong",
            )
        repeated, furthest = True, 0
        if not source.is_binding:  # the listed content does not come: let no checksum excuse pieces
            source = replace(source, checked=False)
        tell(f"{target.name}: {problem}; downloading it once more")


def _verify(
    source: Source, target: Path, part: BinaryIO, checksums: Sequence[Checksum]
) -> tuple[dict[str, str], str | None]:
    """Return the digests of a complete part and what is wrong with it, if anything.

    Raises:
        TransientError: it is an error message in place of the file.
    """
    path = part_path(target)
    if not source.is_binding and not is_pieced(target):
        checksums = ()
    digests = file_digests(path, {"sha256", *(each.algorithm for each in checksums)})
    problem = _problem(part_size(part), digests, source.required_bytes, checksums)
    may_talk = target.suffix.lower() in _TALKING_SUFFIXES or (checksums and problem is None)
    kind = None if may_talk and problem is None else error_kind(path)
    if kind is not None:
        part.truncate(0)
        raise TransientError(f"the server sent {kind} instead of the file")
    return digests, problem


def _problem(
    size: int,
    digests: dict[str, str],
    size_bytes: int | None,
    checksums: Sequence[Checksum],
) -> str | None:
    if size_bytes is not None and size != size_bytes:
        return f"the content has {size} bytes, expected {size_bytes}"
    for each in checksums:
        if digests[each.algorithm] != each.digits:
            return (
                f"the content has {_ALGORITHM_NAMES[each.algorithm]} {digests[each.algorithm]}, "
                f"expected {each.digits}"
            )
    return None
