"""The source digest of a rule: what makes Snakemake rerun it when its code changes.

Snakemake does not look into the modules that a script imports, so an edit there would leave a
stale result. The digest is over the meaning (:mod:`ssl4sar.provenance.meaning`) of the script and
of every first-party module it can reach that computes; it is a parameter of the rule, and Snakemake
reruns a rule whose parameters changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from ssl4sar.provenance.sources import PACKAGE, Source, source_of

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


def _load(path: Path) -> Source:
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@cache
def _read(path: Path, mtime_ns: int, size: int) -> Source:
    # Every rule reaches the same few modules: they are looked at once, not once per rule.
    return source_of(path.read_bytes(), path)


def _imports(path: Path, module: str, is_package: bool, source_root: Path) -> frozenset[str]:
    return _names(_load(path), path, module, is_package, source_root)


@cache
def _names(
    source: Source, path: Path, module: str, is_package: bool, source_root: Path
) -> frozenset[str]:
    names: set[str] = set()
    for level, base, aliases in source.imports:
        base = _absolute(level, base, module, is_package)
        names |= _with_parents(base)
        for alias in aliases:
            # ``from package import name``: the name may be a module or an attribute.
            if alias != "*" and _module_path(f"{base}.{alias}", source_root):
                names |= _with_parents(f"{base}.{alias}")
    for line, what in () if module in REGISTRIES else source.dynamic:
        raise DynamicImportError(
            f"{path}:{line}: {what}; the source digest cannot follow it, use a plain import"
        )
    return frozenset(names)


def _with_parents(name: str) -> set[str]:
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return set()
    return {".".join(parts[: i + 1]) for i in range(len(parts))}


def _absolute(level: int, base: str, module: str, is_package: bool) -> str:
    if level == 0:
        return base
    parts = module.split(".")
    return ".".join([*parts[: len(parts) - level + is_package], *([base] if base else [])])
