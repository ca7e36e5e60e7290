"""What a module computes, apart from how it is written: a hash that outlives an edit of texts.

An update that rewords an error, a line of progress or a docstring must not repeat a training or a
download. So what counts of a module is its syntax tree without comments, docstrings and the texts
of messages; names, numbers, other texts and the order of statements all count.
"""

from __future__ import annotations

import ast
import hashlib
from typing import Final

#: Of these the first argument is what is worked on, and only the rest is for people.
_TRACKING: Final = frozenset(
    {"track", "track_bytes", "sole", "require_space", "patiently", "Failures"}
)
#: Functions whose texts are for people, beside everything that is called an error or a warning.
_LOGGING: Final = _TRACKING | {"log", "debug", "info", "warning", "exception", "warn"}
_LOGGING_ENDINGS: Final = ("Error", "Exception", "Warning")
#: Errors that are measured, not raised.
_MEASURED: Final = frozenset({"FrontError", "SubsetError"})


def meaning_of(tree: ast.Module) -> str:
    """Return the SHA-256 of what a module computes.

    It is the same for every version of Python that reads the module alike.
    """
    pieces: list[str] = []
    _write(tree, True, pieces)
    return hashlib.sha256("".join(pieces).encode("utf-8", "surrogatepass")).hexdigest()


def _write(node: ast.AST, texts: bool, pieces: list[str]) -> None:
    """Write a node in one form; fields without a value are left out, as they differ by version."""
    kind = type(node)
    if kind is ast.Constant:
        value = node.value  # type: ignore[attr-defined]
        counts = texts or not isinstance(value, str)
        pieces.append(f"={type(value).__name__}:{value!r};" if counts else "=text;")
        return
    if kind is ast.Raise or (kind is ast.Call and _is_logging(node.func)):  # type: ignore[attr-defined]
        texts = False
    elif kind is ast.JoinedStr and not texts:
        # Of a message only what is put into it: its texts and their layout are for people.
        for value in node.values:  # type: ignore[attr-defined]
            if isinstance(value, ast.FormattedValue):
                _write(value.value, texts, pieces)
        return
    work = node.args[:1] if isinstance(node, ast.Call) and _name(node.func) in _TRACKING else []
    pieces.append(f"({kind.__name__}")
    for field in kind._fields:
        value = getattr(node, field, None)
        if value is None or value == [] or field == "ctx":
            continue
        pieces.append(f" {field}")
        for each in value if isinstance(value, list) else (value,):
            if not isinstance(each, ast.AST):
                pieces.append(f"={each!r};")
            elif not _is_docstring(each):
                _write(each, texts or each in work, pieces)
    pieces.append(")")


def _is_logging(function: ast.expr) -> bool:
    name = _name(function)
    if name == "log":  # not the logarithm, an attribute of math and NumPy
        return isinstance(function, ast.Name)
    return name in _LOGGING or (name.endswith(_LOGGING_ENDINGS) and name not in _MEASURED)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_docstring(node: ast.AST) -> bool:
    # A text that stands by itself describes a module, a function or a field.
    return (
        type(node) is ast.Expr
        and type(node.value) is ast.Constant
        and isinstance(node.value.value, str)
    )
