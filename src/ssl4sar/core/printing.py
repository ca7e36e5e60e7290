"""Writing to the terminal: nothing that strangers wrote reaches it as a command.

Names of files, keys, records and messages of services may hold escape sequences, which recolour,
rename or overwrite what a terminal shows. Everything that this package prints goes through here or
through :func:`ssl4sar.core.progress.log`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, Any, Final, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ssl4sar.core.wording import printable

#: Lines of reports list names; of an error, 2000 characters are enough.
_LONGEST_LINE_CHARS: Final = 20_000


def printable_lines(lines: Iterable[object]) -> str:
    """Return a text of several lines, each as :func:`printable` makes it."""
    return "".join(f"{printable(line, _LONGEST_LINE_CHARS)}\n" for line in lines)


def print_lines(lines: Iterable[object], stream: TextIO | None = None) -> None:
    """Write lines that may hold foreign text.

    Args:
        lines: one per line of the output.
        stream: where to; standard output by default.
    """
    where = sys.stdout if stream is None else stream
    where.write(_encodable(printable_lines(lines), where))
    where.flush()


class SafeConsole(Console):
    """A console for tables and trees whose texts may be foreign."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as the console does; what a text holds is not for the terminal to obey."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text == "\n":
                yield segment
                continue
            # An end of a line within a text is the layout's, in a cell it was broken before.
            lines = "\n".join(map(printable, segment.text.split("\n")))
            yield Segment(_encodable(lines, self.file), segment.style)


def console(**options: Any) -> Console:
    """Return a console for the standard output, unless ``file`` or ``stderr`` is an option."""
    if not options.get("stderr"):
        options.setdefault("file", sys.stdout)
    return SafeConsole(**options)


def _encodable(text: str, stream: IO[str]) -> str:
    """Return a text that the encoding of a stream can hold: locales other than UTF-8 have less."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
