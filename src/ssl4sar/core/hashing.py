"""Hashes of files: SHA-256 of our own records, and the checksums that others publish."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from ssl4sar.core.foreign import open_regular

_CHUNK_BYTES: Final = 1 << 20
#: Algorithms of published checksums with the number of their hexadecimal digits.
CHECKSUM_DIGITS: Final = {"md5": 32, "sha256": 64, "sha512": 128, "sha3-256": 64, "blake3": 64}


@dataclass(frozen=True)
class Checksum:
    """What the content of a file must have.

    Attributes:
        algorithm: md5, sha256, sha512, sha3-256 or blake3.
        digits: hexadecimal, lower case.
    """

    algorithm: str
    digits: str

    def __post_init__(self) -> None:
        length = CHECKSUM_DIGITS.get(self.algorithm)
        if length is None or re.fullmatch(f"[0-9a-f]{{{length}}}", self.digits) is None:
            raise ValueError(f"{str(self)!r} is not a checksum")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digits}"

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """Read ``ALGORITHM:DIGITS``, in capitals too.

        Raises:
            ValueError: it has another form, or the algorithm is unknown.
        """
        algorithm, _, digits = text.lower().partition(":")
        return cls(algorithm, digits)


def can_compute(algorithm: str) -> bool:
    """Return whether digests of a known algorithm can be computed here: BLAKE3 is optional."""
    return algorithm != "blake3" or importlib.util.find_spec("blake3") is not None


def sha256_file(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content, read in one pass.

    Raises:
        OSError: it cannot be read, or is not a regular file: a pipe or a device may have no end.
    """
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_digests(path: str | Path, algorithms: Collection[str]) -> dict[str, str]:
    """Return hexadecimal digests of a file's content by algorithm, read in one pass.

    Raises:
        ImportError: BLAKE3 is asked for and its library is missing.
        OSError: as :func:`sha256_file`.
    """
    with open_regular(path) as stream:
        return stream_digests(stream, algorithms)


def stream_digests(stream: IO[bytes], algorithms: Collection[str]) -> dict[str, str]:
    """Read a stream to its end; return hexadecimal digests of its content by algorithm.

    Raises:
        ImportError: BLAKE3 is asked for and its library is missing.
    """
    hashes = {name: _hash(name) for name in algorithms}
    while chunk := stream.read(_CHUNK_BYTES):
        for each in hashes.values():
            each.update(chunk)
    return {name: each.hexdigest() for name, each in hashes.items()}


def _hash(algorithm: str) -> Any:
    if algorithm == "blake3":
        from blake3 import blake3

        return blake3()
    # MD5 finds damage here, nothing else; some systems allow it for that purpose only.
    return hashlib.new(algorithm.replace("-", "_"), usedforsecurity=False)
