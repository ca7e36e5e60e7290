"""What strangers wrote, read within limits of bytes, depth and size.

Catalogues, other people's files and records of other clones are data, not trusted text. Every
reader of them in this package goes through this module, so that an answer of a gigabyte, a nesting
of thousands of levels or an alias bomb is one short error. Printing such text is the matter of
:func:`ssl4sar.core.wording.printable`.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import yaml

from ssl4sar.core.wording import printable

#: No record, list or answer that this package reads is longer: a page of 1000 products of a
#: catalogue has some 12 MB.
LONGEST_BYTES: Final = 64_000_000
#: Deeper nesting is not data: GeoJSON has about ten levels, provenance records fewer.
DEEPEST: Final = 64
#: Numbers, texts, lists and tables of a JSON text, about; two bytes of it may take up to a hundred
#: of memory. A page of 1000 products has some hundred thousand.
_MOST_JSON_VALUES: Final = 5_000_000
#: Elements and attributes of an XML text, about; those of a scene have some hundred thousand.
_MOST_XML_PARTS: Final = 2_000_000
#: Entries of a YAML file, aliases written out; the longest configuration has about a thousand.
_MOST_YAML_NODES: Final = 100_000
#: Characters of a YAML file, aliases written out.
_LONGEST_YAML: Final = 1_000_000
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_AS_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))


class ForeignTextError(ValueError):
    """Foreign text is damaged or beyond a limit; the message is a phrase for people."""


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a file to be read, but not a pipe or a device: reading these may never end.

    Raises:
        OSError: it is one, or cannot be opened.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):
        kind = errno.EISDIR if Path(path).is_dir() else errno.EINVAL
        problem = os.strerror(kind) if kind == errno.EISDIR else "not a regular file"
        raise OSError(kind, problem, str(path))
    return Path(path).open("rb")


def read_bounded(path: str | Path, longest_bytes: int = LONGEST_BYTES) -> bytes:
    """Read a whole file that should be short.

    Raises:
        ForeignTextError: it is longer.
        OSError: it cannot be read, or is not a regular file.
    """
    with open_regular(path) as file:
        content = file.read(longest_bytes + 1)
    if len(content) > longest_bytes:
        raise ForeignTextError(f"it is longer than {longest_bytes / 1e6:g} MB")
    return content


def read_json(path: str | Path, longest_bytes: int = LONGEST_BYTES) -> Any:
    """Read a JSON file (UTF-8), within limits.

    Raises:
        ForeignTextError: it is too long, too deep or not JSON.
        OSError: it cannot be read.
    """
    return parse_json(read_bounded(path, longest_bytes), longest_bytes)


def parse_json(content: bytes | str, longest_bytes: int = LONGEST_BYTES) -> Any:
    """Parse JSON within limits of bytes, values and depth.

    Args:
        content: JSON text, UTF-8 where it is bytes; a byte order mark is skipped.
        longest_bytes: limit of its length.

    Raises:
        ForeignTextError: it is too long, too deep, has too many values or is not JSON; numbers that
            are not finite and halves of surrogate pairs are not JSON either.
    """
    try:
        data = content.encode() if isinstance(content, str) else bytes(content)
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeError as error:
        raise ForeignTextError("it is not UTF-8") from error
    if len(data) > longest_bytes:
        raise ForeignTextError(f"it is longer than {longest_bytes / 1e6:g} MB")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > _MOST_JSON_VALUES:
        raise ForeignTextError(f"it has more than {_MOST_JSON_VALUES:,} values")
    if not _is_shallow(data):
        raise ForeignTextError(f"it is nested more than {DEEPEST} levels deep")
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise ForeignTextError("it is not JSON (half of a surrogate pair)") from error
    except (ValueError, RecursionError) as error:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise ForeignTextError(f"it is not JSON ({printable(problem, 120)})") from error
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ForeignTextError(f"{text[:20]} is not a number that can be used")
    return number


def _is_shallow(data: bytes) -> bool:
    """Return whether brackets outside of strings nest no deeper than `DEEPEST`."""
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return True
    brackets = _STRING.sub(b"", data).translate(_AS_SQUARE, _NO_BRACKET)
    for _ in range(DEEPEST):
        # Each round takes away the innermost level, at the speed of memory.
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            # Empty, or a damaged text, of which the parser says what is wrong.
            return brackets.count(b"[") <= DEEPEST
        brackets = inner
    return not brackets


def parse_yaml(content: bytes | str, longest_bytes: int = _LONGEST_YAML) -> Any:
    """Parse YAML (safe types only) within limits of bytes, depth and written-out aliases.

    Raises:
        ForeignTextError: it is beyond a limit, or not YAML; the message names the line.
    """
    if len(content) > longest_bytes:
        raise ForeignTextError(f"it is longer than {longest_bytes / 1e6:g} MB")
    try:
        _check_yaml(content)
        value = _LoaderOfUniqueKeys(content).get_single_data()
        require_small(value)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f", line {mark.line + 1}"
        raise ForeignTextError(
            f"it is not YAML ({printable(error.problem or error, 200)}{where})"
        ) from error
    except ForeignTextError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # A date of month 13, or a number of thousands of digits, is a ValueError of Python's own.
        raise ForeignTextError(f"it is not YAML ({printable(error, 200)})") from error
    return value


class _LoaderOfUniqueKeys(yaml.SafeLoader):
    """YAML's own rule, which its library does not hold: a key that is there twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping whose own keys differ; what `<<` brings in may be overridden."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value} is there twice"
                    raise yaml.constructor.ConstructorError(
                        problem=problem, problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _check_yaml(content: bytes | str) -> None:
    """Count levels and nodes from the events alone, before anything is built."""
    sizes: dict[str, int] = {}  # nodes of what an anchor names
    opened: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before
            continue
        if isinstance(event, yaml.AliasEvent) and event.anchor in {name for name, _ in opened}:
            raise ForeignTextError(f"its alias {printable(event.anchor, 40)} holds itself")
        if isinstance(event, yaml.NodeEvent):
            nodes += sizes.get(str(event.anchor), 1) if isinstance(event, yaml.AliasEvent) else 1
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, nodes - 1))
        if len(opened) > DEEPEST:
            raise ForeignTextError(f"it is nested more than {DEEPEST} levels deep")
        if nodes > _MOST_YAML_NODES:
            raise ForeignTextError(
                f"it has more than {_MOST_YAML_NODES:,} entries once its aliases are written out"
            )


def require_small(value: Any) -> None:
    """Refuse nested values that would be too large or too deep if they were written out.

    For configurations that another program has parsed: aliases are the same object many times, so
    what takes no memory may have gigabytes as text.

    Raises:
        ForeignTextError: it is nested too deep, or has too many entries or characters.
    """
    waiting, entries, characters = [(value, 0)], 0, 0
    while waiting:
        each, depth = waiting.pop()
        entries += 1
        characters += len(each) if isinstance(each, str | bytes) else 0
        if depth > DEEPEST:
            raise ForeignTextError(f"it is nested more than {DEEPEST} levels deep")
        if entries > _MOST_YAML_NODES or characters > _LONGEST_YAML:
            raise ForeignTextError("it is far too long once its aliases are written out")
        if isinstance(each, Mapping):
            waiting += [(part, depth + 1) for item in each.items() for part in item]
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += [(part, depth + 1) for part in each]


class _Bounded(ElementTree.TreeBuilder):
    """Builds a tree, but not below a depth, and not from a text that declares entities."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: Mapping[str, str], /) -> ElementTree.Element:
        """Begin an element."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ForeignTextError(f"it is nested more than {DEEPEST} levels deep")
        return super().start(tag, dict(attrs))

    def end(self, tag: str, /) -> ElementTree.Element:
        """Close an element."""
        self._depth -= 1
        return super().end(tag)

    def doctype(self, *_: object) -> None:
        """Refuse a document type: it could declare entities."""
        raise ForeignTextError("it declares a document type")


def parse_xml(content: bytes, longest_bytes: int = LONGEST_BYTES) -> ElementTree.Element:
    """Parse XML within limits of bytes, parts and depth; document types (entities) are refused.

    Raises:
        ForeignTextError: it is beyond a limit, or not XML.
    """
    if len(content) > longest_bytes:
        raise ForeignTextError(f"it is longer than {longest_bytes / 1e6:g} MB")
    if content.count(b"<") + content.count(b"=") > _MOST_XML_PARTS:
        raise ForeignTextError(f"it has more than {_MOST_XML_PARTS:,} elements and attributes")
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_Bounded()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, ForeignTextError):
            raise
        raise ForeignTextError(f"it is not XML ({printable(error, 120)})") from error
