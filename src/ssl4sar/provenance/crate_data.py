"""Which data lie in an RO-Crate, and how those are described that do not.

Files that are not in a crate get identifiers that begin with ``#``: RO-Crate 1.1 wants everything
with a relative path to be there, and a local identifier promises nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import CACHE_KEY
from ssl4sar.provenance.chain import Chain, Node
from ssl4sar.provenance.contents import content_of
from ssl4sar.provenance.crate_graph import CrateGraph, encoding_format, references
from ssl4sar.provenance.record import OWN_FOLDERS, InputRecord, OutputRecord

_BYTES_PER_MB: Final = 1_000_000
#: What the workflow makes, and what it is made of.
_OWN_PLACES: Final = frozenset(
    {*OWN_FOLDERS, "data", "src", "workflow", "config", "Snakefile"}
    | {"CITATION.cff", "LICENSE", "pyproject.toml"}
)


@dataclass(frozen=True)
class Layout:
    """Where the files of a chain lie in a crate.

    Attributes:
        project: folder of the Snakefile.
        work: folder in which the workflow ran; usually the same.
    """

    project: Path
    work: Path

    @classmethod
    def of(cls, chain: Chain) -> Layout:
        """Find the two folders of a chain.

        A run with ``--directory`` has its results elsewhere than its code; then the folder that
        holds all records counts as the one where the workflow ran.
        """
        project = chain.root.project
        folders = [node.folder for node in chain.nodes]
        if all(folder.is_relative_to(project) for folder in folders):
            return cls(project, project)
        return cls(project, Path(os.path.commonpath(folders)))

    def place(self, path: Path) -> str | None:
        """Return the path of a file in the crate; None for what lies outside the project."""
        for base in (self.work, self.project):
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return None


def reason_against(place: str, source: Path, layout: Layout) -> str | None:
    """Return why a file must not go into a crate, whatever a record says; None: it may.

    A crate is handed on. A forged record could name any file of the machine, so only what the
    workflow makes and is made of goes into it: by its name, and by the place that links lead to.

    Args:
        place: path in the crate.
        source: the file.
        layout: where the project is.
    """
    if not _is_own(PurePosixPath(place)):
        return "it is not in a folder of the workflow"
    real = Path(os.path.realpath(source))
    if any(CACHE_KEY.match(part) for part in real.parts):
        return None  # served by a shared cache
    for base in (layout.work, layout.project):
        inside = Path(os.path.realpath(base))
        if real.is_relative_to(inside) and _is_own(PurePosixPath(real.relative_to(inside))):
            return None
    return "it is a link that leads out of the folders of the workflow"


def _is_own(place: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in place.parts)
    return not hidden and place.parts[:1] != () and place.parts[0] in _OWN_PLACES


@dataclass(frozen=True)
class _Told:
    """A file or folder as a record tells it; sizes of source files are not recorded."""

    path: Path
    sha256: str
    bytes: int | None
    folder: bool = False
    files: Mapping[str, tuple[int, str]] | None = None


@dataclass
class CrateData:
    """The data of a chain as entities of a crate.

    Attributes:
        graph: where they are described.
        layout: where they lie.
        limit_bytes: larger files and folders are described only.
        wanted: files and folders that go into the crate at any size.
        left_out: what is described only, with the reason.
    """

    graph: CrateGraph
    layout: Layout
    limit_bytes: int
    wanted: frozenset[Path] = frozenset()
    left_out: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[Path, str], str] = field(default_factory=dict)

    def entity_of(self, node: Node, entry: InputRecord | OutputRecord) -> str:
        """Describe an input or output of a job and return its identifier."""
        folder = entry.folder if isinstance(entry, InputRecord) else entry.files is not None
        told = _Told(node.path_of(entry), entry.sha256, entry.bytes, folder, entry.files)
        return self._described(told)

    def source_file(self, project: Path, file: str, sha256: str) -> str:
        """Describe a source file that a job ran and return its identifier.

        Args:
            project: folder of the Snakefile of that job.
            file: path from there.
            sha256: hash that it had.
        """
        return self._described(_Told(project / file, sha256, None))

    def _described(self, told: _Told) -> str:
        key = (told.path, told.sha256)
        if key not in self._known:
            self._known[key] = self._add(told)
        return self._known[key]

    def _add(self, told: _Told) -> str:
        place = self.layout.place(told.path)
        reason = self._why_not(told, place)
        if place is None or reason is not None:
            return self._add_left_out(told, place, reason or "")
        if not told.folder:
            return self.graph.add_file(place, told.path, sha256=told.sha256)
        parts = [
            self._described(_Told(told.path / name, sha256, size))
            for name, (size, sha256) in _listing(told).items()
        ]
        return self.graph.add_folder(
            place, hasPart=references(parts), **_folder_facts(told, len(parts))
        )

    def _why_not(self, told: _Told, place: str | None) -> str | None:
        """Return why a file does not go into the crate; None: it does."""
        if place is None:
            return "it lies outside the project"
        if not told.folder or told.files is None:
            against = reason_against(place, told.path, self.layout)
            if against is not None:
                return against
        if self.graph.copies.get(place, told.path) != told.path:
            return "another file of the crate has its place"
        if (told.bytes or 0) > self.limit_bytes and not self._is_wanted(told.path):
            return f"it is larger than {_megabytes(self.limit_bytes)}"
        try:
            same = (
                content_of(told.path).sha256 == told.sha256
                if told.folder
                else told.path.is_file() and sha256_file(told.path) == told.sha256
            )
        except (UserError, OSError):
            same = False
        if same:
            return None
        if not told.path.exists():
            return "it is no longer there"
        return "it has another content now"

    def _is_wanted(self, path: Path) -> bool:
        return path in self.wanted or not self.wanted.isdisjoint(path.parents)

    def _add_left_out(self, told: _Told, place: str | None, reason: str) -> str:
        # Of what lies outside only the name goes into the crate: such paths name people and sites.
        shown = told.path.name if place is None else place
        start = "outside" if place is None else "not-included"
        identifier = f"#{start}/{quote(shown)}@{told.sha256[:12]}"
        self.left_out[shown] = reason
        facts: dict[str, Any] = {
            "name": shown,
            "description": f"Not included in this crate: {reason}.",
        }
        if told.folder:
            count = None if told.files is None else len(told.files)
            facts |= _folder_facts(told, count, facts["description"])
            return self.graph.add(identifier, "Dataset", **facts)
        size = None if told.bytes is None else str(told.bytes)
        return self.graph.add(
            identifier,
            "File",
            **facts,
            sha256=told.sha256,
            contentSize=size,
            encodingFormat=encoding_format(shown),
        )


def _listing(told: _Told) -> Mapping[str, tuple[int, str]]:
    if told.files is not None:
        return told.files
    files = content_of(told.path).files or {}
    return {name: (file.bytes, file.sha256) for name, file in files.items()}


def _folder_facts(told: _Told, count: int | None, start: str = "") -> dict[str, Any]:
    size = "" if count is None else f"{count} files, "
    text = (
        f"{size}{told.bytes} bytes. The identifier is a SHA-256 over the names and hashes of "
        "the files, which the record of the job lists."
    )
    return {
        "description": f"{start} {text}".strip(),
        "identifier": f"sha256:{told.sha256}",
        "contentSize": str(told.bytes),
    }


def _megabytes(count: int) -> str:
    return f"{count / _BYTES_PER_MB:g} MB"
