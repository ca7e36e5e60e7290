"""Error messages that a server sends with status 200 in place of a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ssl4sar.core.foreign import ForeignTextError, parse_json

#: No message is longer, and no product is shorter by much.
LONGEST_BYTES: Final = 1 << 16
_ROOT: Final = re.compile(rb"<([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_ERROR_ROOTS: Final = frozenset(
    {b"error", b"errors", b"fault", b"exception", b"exceptionreport", b"serviceexceptionreport"}
)
_ERROR_KEYS: Final = frozenset({"error", "errors", "detail", "message"})


def error_kind(path: Path) -> str | None:
    """Return what kind of error message a file is; None where it is none.

    Args:
        path: file; anything above 64 KiB is no message.

    Returns:
        "an XML error message", "a JSON error message" or "a web page". The message itself is not
        repeated: it may hold anything.
    """
    if path.stat().st_size > LONGEST_BYTES:
        return None
    return message_kind(path.read_bytes())


def message_kind(content: bytes) -> str | None:
    """Return what kind of error message a content is, as `error_kind` does for a file."""
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if content[:1] == b"<":
        return _markup_kind(content)
    if content[:1] == b"{":
        return _json_kind(content)
    return None


def _markup_kind(content: bytes) -> str | None:
    if content[:14].lower() == b"<!doctype html":
        return "a web page"
    root = _ROOT.search(content)  # declarations and comments begin with another sign
    name = root[2].lower() if root else b""
    if name == b"html":
        return "a web page"
    return "an XML error message" if name in _ERROR_ROOTS else None


def _json_kind(content: bytes) -> str | None:
    try:
        answer = parse_json(content)
    except ForeignTextError:
        return None
    is_error = isinstance(answer, dict) and bool(_ERROR_KEYS & {key.lower() for key in answer})
    return "a JSON error message" if is_error else None
