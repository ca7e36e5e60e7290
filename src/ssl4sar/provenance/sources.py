"""What there is to know of a file of Python for source digests, remembered by its content.

Reading the syntax of all modules takes more than a second, which each command of Snakemake and each
job would spend. So what was found is remembered in a file, and read from there wherever the content
is the same.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from ssl4sar.core.atomic import write_text
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.provenance import meaning

PACKAGE: Final = "ssl4sar"
#: Where Snakemake runs.
SOURCE_MEMORY: Final = Path(".snakemake/ssl4sar-sources.json")
#: Files that are remembered, of now and of earlier versions of the project.
_MOST: Final = 2000


class Source(NamedTuple):
    """A file of Python.

    Attributes:
        sha256: hash of its content.
        meaning: hash of what it computes.
        imports: level (number of leading dots), module and names of each import.
        dynamic: line and kind of each import by a call that cannot be followed.
    """

    sha256: str
    meaning: str
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    dynamic: tuple[tuple[int, str], ...]


_KNOWN: Final[dict[str, Source]] = {}


def source_of(content: bytes, path: Path) -> Source:
    """Return what there is to know of a file with this content; ``path`` is for its errors."""
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 not in _KNOWN:
        tree = ast.parse(content, filename=str(path))
        # Imports are statements. Only what could import by a call is walked down to its
        # expressions, of which there are ten times as many.
        by_call = any(name in content for name in (b"import_module", b"__import__"))
        nodes = list(ast.walk(tree) if by_call else _statements(tree))
        _KNOWN[sha256] = Source(
            sha256,
            meaning.meaning_of(tree),
            tuple(each for node in nodes for each in _imports(node)),
            tuple(each for node in nodes if isinstance(node, ast.Call) for each in _dynamic(node)),
        )
    return _KNOWN[sha256]


@contextmanager
def remembered(memory: Path) -> Iterator[None]:
    """Use what a file remembers of sources, and add to it what was found meanwhile."""
    _recall(memory)
    before = len(_KNOWN)
    yield
    if len(_KNOWN) > before:
        # A memory that cannot be written costs a second each time, nothing else.
        with suppress(OSError, UserError):
            found = list(_KNOWN.values())[-_MOST:]
            write_text(memory, json.dumps({"by": _reader(), "sources": found}))


@cache
def _recall(memory: Path) -> None:
    try:
        content = read_json(memory)
        if content["by"] == _reader():
            found = [_from_json(*source) for source in content["sources"]]
            _KNOWN.update((source.sha256, source) for source in found)
    except (OSError, ValueError, TypeError, KeyError):
        # Lost or damaged memory costs one look at all sources, nothing else.
        return


def _from_json(sha256: str, meaning: str, imports: Any, dynamic: Any) -> Source:
    return Source(
        sha256,
        meaning,
        tuple((level, module, tuple(names)) for level, module, names in imports),
        tuple((line, what) for line, what in dynamic),
    )


@cache
def _reader() -> str:
    """Return what changes where sources are read otherwise."""
    own = b"".join(Path(file).read_bytes() for file in (__file__, str(meaning.__file__)))
    return f"{sys.version} {hashlib.sha256(own).hexdigest()}"


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement below a node, wherever it is nested."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(tree, name, None)
        # The `body` of a lambda and of a conditional expression is an expression.
        for node in below if isinstance(below, list) else ():
            yield node
            yield from _statements(node)


def _imports(node: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield 0, alias.name, ()
    elif isinstance(node, ast.ImportFrom):
        yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def _dynamic(node: ast.Call) -> Iterator[tuple[int, str]]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in {"import_module", "__import__"}:
        return
    argument = node.args[0] if node.args else None
    if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
        yield node.lineno, "imports a module whose name is computed"
    elif argument.value.split(".")[0] in {PACKAGE, ""}:
        yield node.lineno, f"imports {argument.value} dynamically"
