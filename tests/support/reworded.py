"""A module with other texts for people."""

from __future__ import annotations

import ast
from pathlib import Path


def reworded(path: Path) -> str:
    """Return a module with every message, docstring and comment written otherwise."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in {"UserError", "MissingProductError", "tell", "track"} or isinstance(
            node, ast.Raise
        ):
            # What a loop with progress works on is not a text for people.
            work = set(ast.walk(node.args[0])) if name == "track" else set()
            for part in set(ast.walk(node)) - work:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    part.value = f"reworded: {part.value}"
        described = isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        if described and ast.get_docstring(node) is not None:
            node.body[0].value.value = "Another docstring."
    return "# another comment\n" + ast.unparse(tree)
