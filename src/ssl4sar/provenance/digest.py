"""The source digest of a rule: what makes Snakemake rerun it when its code changes.

Snakemake does not look into the modules that a script imports, so an edit there would leave a
stale result. The digest is over the meaning (:mod:`ssl4sar.provenance.meaning`) of the script and
of every first-party module it can reach that computes; it is a parameter of the rule, and Snakemake
reruns a rule whose parameters changed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from ssl4sar.provenance.meaning import meaning_of

PACKAGE: Final = "ssl4sar"
#: What surrounds the work of a job and cannot change its outcome: how errors are worded, progress
#: is shown, files are written atomically, servers are asked patiently, records are kept. Not part
#: of any digest, so that work on them repeats nothing.
SURROUNDINGS: Final = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        "acquire.network",
        # Settings of networks are values, which are parameters of the jobs that read them.
        "config.networks",
        "core.address",
        "core.atomic",
        "core.cached_file",
        "core.errors",
        "core.foreign",
        "core.lock",
        "core.printing",
        "core.progress",
        "core.record",
        "core.retry",
        "core.space",
        "provenance",
        "workflow.job",
    )
)
#: In place of the digest of a rule that fetches: what is fetched is known by its address and
#: checksum, whatever the code. Snakemake and the records of earlier runs hold this very text:
#: another one would delete and repeat every download.
CACHED_BY_CONTENT: Final = "kept by content"
#: Modules that import others by name alone. Their users name what counts of those.
REGISTRIES: Final = frozenset({f"{PACKAGE}.models.registry", f"{PACKAGE}.sar.engine"})
_SOURCE_ROOT: Final = Path(__file__).resolve().parents[2]


class DynamicImportError(Exception):
    """A first-party module is imported in a way that cannot be followed on the syntax tree."""


def source_digest(
    script: str | Path, source_root: Path = _SOURCE_ROOT, modules: Sequence[str] = ()
) -> str:
    """Return the SHA-256 over a script and its transitive first-party imports.

    Args:
        script: Python file, e.g. the script of a rule.
        source_root: folder that holds the package ``ssl4sar``.
        modules: modules that it imports by name alone, as :func:`source_files` takes them.

    Returns:
        Hexadecimal digest of names and contents; independent of time stamps and locations.

    Raises:
        DynamicImportError: see :func:`source_files`.
    """
    return digest_of(meanings(source_files(script, source_root, modules=modules)))


def content_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of the content of files by name."""
    return {name: _load(path).sha256 for name, path in files.items()}


def meanings(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the hash of what files compute by name."""
    return {name: _load(path).meaning for name, path in files.items()}


def digest_of(meanings: Mapping[str, str]) -> str:
    """Return the source digest of a script and its modules."""
    digest = hashlib.sha256()
    for name, sha256 in meanings.items():
        digest.update(f"{name}\0{sha256}\n".encode())
    return digest.hexdigest()


def source_files(
    script: str | Path,
    source_root: Path = _SOURCE_ROOT,
    left_out: Sequence[str] = SURROUNDINGS,
    modules: Sequence[str] = (),
) -> dict[str, Path]:
    """Return the files that :func:`source_digest` covers.

    Imports inside functions and under ``if TYPE_CHECKING`` count: better one rerun too many than
    a stale result. Importing ``a.b.c`` runs the ``__init__`` of ``a`` and ``a.b``, so they count.

    Args:
        script: Python file.
        source_root: folder that holds the package ``ssl4sar``.
        left_out: modules and packages that do not count, nor what is reached through them alone.
        modules: modules that count although they are imported by name alone (``REGISTRIES``).

    Returns:
        Files by name (``script`` and dotted module names), sorted by name.

    Raises:
        DynamicImportError: ``import_module`` or ``__import__`` with a first-party or computed name.
    """
    script = Path(script)
    found: dict[str, Path] = {}
    open_modules = set(_imports(script, "", False, source_root))
    open_modules.update(*map(_with_parents, modules))
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


@dataclass(frozen=True, eq=False)
class _Source:
    """A file of Python."""

    path: Path
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    sha256: str

    @cached_property
    def meaning(self) -> str:
        """Hash of what it computes."""
        return meaning_of(self.tree)


@cache
def _parsed(path: Path, mtime_ns: int, size: int) -> _Source:
    # Every rule reaches the same few modules: their trees are walked once, not once per rule.
    content = path.read_bytes()
    tree = ast.parse(content, filename=str(path))
    # Imports are statements. Only what could import by a call is walked down to its expressions,
    # of which there are ten times as many.
    dynamic = any(name in content for name in (b"import_module", b"__import__"))
    walked = ast.walk(tree) if dynamic else _statements(tree)
    nodes = tuple(n for n in walked if isinstance(n, ast.Import | ast.ImportFrom | ast.Call))
    return _Source(path, tree, nodes, hashlib.sha256(content).hexdigest())


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement below a node, wherever it is nested."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(tree, name, None)
        # The `body` of a lambda and of a conditional expression is an expression.
        for node in below if isinstance(below, list) else ():
            yield node
            yield from _statements(node)


def _load(path: Path) -> _Source:
    status = path.stat()
    return _parsed(path, status.st_mtime_ns, status.st_size)


def _imports(path: Path, module: str, is_package: bool, source_root: Path) -> frozenset[str]:
    return _names(_load(path), module, is_package, source_root)


@cache
def _names(source: _Source, module: str, is_package: bool, source_root: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in source.nodes:
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
        elif isinstance(node, ast.Call) and module not in REGISTRIES:
            _refuse_dynamic(node, source.path)
    return frozenset(names)


def _with_parents(name: str) -> set[str]:
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return set()
    return {".".join(parts[: i + 1]) for i in range(len(parts))}


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    level = len(parts) - node.level + (1 if is_package else 0)
    return ".".join([*parts[:level], *([node.module] if node.module else [])])


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
