"""The source digest of a rule: what makes Snakemake rerun it when its code changes.

Snakemake does not look into the modules that a script imports, so an edit there would leave a
stale result. The digest covers the script and every first-party module it can reach; it is a
parameter of the rule, and Snakemake reruns a rule whose parameters changed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

PACKAGE: Final = "ssl4sar"
#: What surrounds the work of a job and cannot change its outcome: not part of any digest, so that
#: a better log line or a new field of a record does not repeat a training.
SURROUNDINGS: Final = (f"{PACKAGE}.workflow.job", f"{PACKAGE}.provenance")
_SOURCE_ROOT: Final = Path(__file__).resolve().parents[2]


class DynamicImportError(Exception):
    """A first-party module is imported in a way that cannot be followed on the syntax tree."""


def source_digest(script: str | Path, source_root: Path = _SOURCE_ROOT) -> str:
    """Return the SHA-256 over a script and its transitive first-party imports.

    Args:
        script: Python file, e.g. the script of a rule.
        source_root: folder that holds the package ``ssl4sar``.

    Returns:
        Hexadecimal digest of names and contents; independent of time stamps and locations.

    Raises:
        DynamicImportError: see :func:`source_files`.
    """
    return digest_of(content_digests(source_files(script, source_root)))


def content_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of files by name."""
    return {name: _load(path)[1] for name, path in files.items()}


def digest_of(contents: Mapping[str, str]) -> str:
    """Return the source digest of a script and its modules.

    Args:
        contents: SHA-256 by name, as :func:`content_digests` returns them.
    """
    digest = hashlib.sha256()
    for name, sha256 in contents.items():
        digest.update(f"{name}\0{sha256}\n".encode())
    return digest.hexdigest()


def source_files(
    script: str | Path,
    source_root: Path = _SOURCE_ROOT,
    left_out: Sequence[str] = SURROUNDINGS,
) -> dict[str, Path]:
    """Return the files that :func:`source_digest` covers.

    Imports inside functions and under ``if TYPE_CHECKING`` count: better one rerun too many than
    a stale result. Importing ``a.b.c`` runs the ``__init__`` of ``a`` and ``a.b``, so they count.

    Args:
        script: Python file.
        source_root: folder that holds the package ``ssl4sar``.
        left_out: modules and packages that do not count, nor what is reached through them alone.

    Returns:
        Files by name (``script`` and dotted module names), sorted by name.

    Raises:
        DynamicImportError: ``import_module`` or ``__import__`` with a first-party or computed name.
    """
    script = Path(script)
    found: dict[str, Path] = {}
    open_modules = _imports(script, "", False, source_root)
    while open_modules:
        name = open_modules.pop()
        if name in found or _is_among(name, left_out):
            continue
        path = _module_path(name, source_root)
        if path is None:
            continue
        found[name] = path
        is_package = path.name == "__init__.py"
        open_modules |= _imports(path, name, is_package, source_root)
    return {"script": script, **dict(sorted(found.items()))}


def _is_among(name: str, modules: Sequence[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in modules)


def _module_path(name: str, source_root: Path) -> Path | None:
    base = source_root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _parsed(path: Path, mtime_ns: int, size: int) -> tuple[tuple[ast.AST, ...], str]:
    # Every rule reaches the same few modules: their trees are walked once, not once per rule.
    content = path.read_bytes()
    tree = ast.walk(ast.parse(content, filename=str(path)))
    nodes = tuple(n for n in tree if isinstance(n, ast.Import | ast.ImportFrom | ast.Call))
    return nodes, hashlib.sha256(content).hexdigest()


def _load(path: Path) -> tuple[tuple[ast.AST, ...], str]:
    status = path.stat()
    return _parsed(path, status.st_mtime_ns, status.st_size)


def _imports(path: Path, module: str, is_package: bool, source_root: Path) -> set[str]:
    names: set[str] = set()
    for node in _load(path)[0]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names |= _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            names |= _with_parents(base)
            for alias in node.names:
                # ``from package import name``: the name may be a module or an attribute.
                if alias.name != "*" and _module_path(f"{base}.{alias.name}", source_root):
                    names |= _with_parents(f"{base}.{alias.name}")
        elif isinstance(node, ast.Call):
            _refuse_dynamic(node, path)
    return names


def _with_parents(name: str) -> set[str]:
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return set()
    return {".".join(parts[: i + 1]) for i in range(len(parts))}


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    keep = len(parts) - node.level + (1 if is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _refuse_dynamic(node: ast.Call, path: Path) -> None:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in {"import_module", "__import__"}:
        return
    argument = node.args[0] if node.args else None
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        if argument.value.split(".")[0] not in {PACKAGE, ""}:
            return
        what = f"imports {argument.value} dynamically"
    else:
        what = "imports a module whose name is computed"
    raise DynamicImportError(
        f"{path}:{node.lineno}: {what}; the source digest cannot follow it, use a plain import"
    )
