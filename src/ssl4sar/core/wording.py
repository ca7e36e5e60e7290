"""Numbers, and text of strangers, in lines for people."""

from __future__ import annotations

import re
from typing import Final

_LONGEST_SHOWN_CHARS: Final = 2000


def size_text(size_bytes: int) -> str:
    """Return a size for people: powers of 1000, as disks and quotas are sold.

    Args:
        size_bytes: size, from 0.
    """
    value = float(size_bytes)
    units = ["TB", "GB", "MB", "kB", "B"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop()
    return f"{value:.3g} {units[-1]}" if value < 999.5 else f"{value:,.0f} {units[-1]}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def printable(text: object, longest: int = _LONGEST_SHOWN_CHARS) -> str:
    r"""Return a text in one line that a terminal shows as it is.

    Control characters, escape sequences, changes of the writing direction and halves of surrogate
    pairs are written as ``\x1b``; breaks between lines become spaces; a long text is cut.

    Args:
        text: anything that strangers may have written.
        longest: characters before the cut.
    """
    line = re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", str(text).strip("\r\n"))
    if len(line) > longest:
        line = line[:longest] + "..."
    if line.isprintable():
        return line
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in line)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
