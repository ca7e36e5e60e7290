"""Fetching starting weights once, so that no training job needs the network.

Model hubs with the interface of the Hugging Face Hub answer a HEAD request for a file with the
commit it belongs to and the SHA-256 of its content. The download is pinned to that commit and
must have that hash; servers without such answers give a file whose hash is recorded.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import requests
from safetensors import SafetensorError, safe_open

from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.download import download
from ssl4sar.acquire.network.exchange import asking_problem, guarded_session, short_answer
from ssl4sar.core.address import Address, AddressError
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.retry import Patience

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RESOLVE: Final = re.compile(r"/resolve/[^/]+/")
_MOST_REDIRECTS: Final = 5
_PATIENCE: Final = Patience(attempts=5, timeout_s=30.0)
_FIX: Final = (
    "run `snakemake retrieve` where there is internet, correct weights.url, "
    "or give the file as model.weights_file"
)


@dataclass(frozen=True)
class WeightsRecord:
    """What was fetched.

    Attributes:
        url: address that was downloaded, pinned to the commit where the server names one.
        revision: commit of the hub's repository; None where the server names none.
        bytes: size of the file.
        sha256: hash of its content.
        verified_by: what the hash was compared with: config, hub, or nothing.
    """

    url: str
    revision: str | None
    bytes: int
    sha256: str
    verified_by: str

    def write(self, path: str | Path) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class _Announced:
    """What the server says of a file."""

    url: str
    revision: str | None
    sha256: str | None


def fetch_weights(
    url: str,
    target: str | Path,
    expected_sha256: str | None = None,
    patience: Patience = _PATIENCE,
) -> WeightsRecord:
    """Download a safetensors file with weights; resumable, verified, complete or absent.

    Args:
        url: http(s) address; ``.../resolve/BRANCH/FILE`` is pinned to the branch's commit.
        target: final file.
        expected_sha256: hash that the content must have; None takes the hub's word.
        patience: with the server.

    Returns:
        Address, commit, size and hash.

    Raises:
        UserError: host unreachable, refused by the server, another hash, not a safetensors file,
            or no space left.
    """
    target = Path(target)
    announced = _ask(url, patience)
    wanted = expected_sha256 or announced.sha256
    done = download(
        announced.url,
        target,
        Checksum("sha256", wanted) if wanted else None,
        patience=patience,
    )
    _require_tensors(target, url)
    compared = "config" if expected_sha256 else "hub" if announced.sha256 else "nothing"
    return WeightsRecord(done.url, announced.revision, done.bytes, done.sha256, compared)


def _ask(url: str, patience: Patience) -> _Announced:
    """Ask for commit and hash without fetching the content."""
    address = require_web_address(url)
    with guarded_session(short_answer(patience.timeout_s), patience=patience) as session:
        session.headers["Accept-Encoding"] = "identity"
        try:
            return _announced(session, address)
        except requests.RequestException as error:
            raise UserError(url, asking_problem(error), _FIX) from error


def _announced(session: requests.Session, address: Address) -> _Announced:
    for _ in range(_MOST_REDIRECTS):
        # The hub sends content from elsewhere; what it says of the file is in its own answer.
        answer = session.head(address.url, allow_redirects=False)
        try:
            onward = address.joined(answer.headers.get("Location", address.url))
        except AddressError as error:
            raise UserError(address.url, f"it redirects to an address: {error}", _FIX) from error
        if not answer.is_redirect or onward.origin != address.origin:
            break
        address = onward  # a repository that was renamed
    url = address.url
    if answer.status_code in {401, 403}:
        # Hubs say so of closed repositories and of what does not exist.
        refused = f"the server refuses access (HTTP {answer.status_code}): closed, or not there"
        raise UserError(url, refused, _FIX)
    if answer.status_code in {404, 410}:
        raise UserError(url, f"there is no such file (HTTP {answer.status_code})", _FIX)
    commit = answer.headers.get("X-Repo-Commit", "").lower()
    digest = answer.headers.get("X-Linked-Etag", "").strip('"').lower()
    if not _COMMIT.fullmatch(commit):
        return _Announced(url, None, digest if _SHA256.fullmatch(digest) else None)
    pinned = _RESOLVE.sub(f"/resolve/{commit}/", url, count=1)
    return _Announced(pinned, commit, digest if _SHA256.fullmatch(digest) else None)


def _require_tensors(path: Path, url: str) -> None:
    """Remove a file and raise unless it is of safetensors, whole and not empty."""
    problem = "it holds no tensor"
    try:
        with safe_open(path, framework="numpy") as opened:
            if opened.keys():
                return
    except SafetensorError as error:
        problem = str(error)
    path.unlink()
    raise UserError(url, f"this is not a safetensors file ({problem})", _FIX)
