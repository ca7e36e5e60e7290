"""Which data are in an RO-Crate, and how those are described that are not.

Files that are not in a crate get identifiers that begin with ``#``: RO-Crate 1.1 wants everything
with a relative path to be there, and a local identifier promises nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import CACHE_KEY
from ssl4sar.provenance.chain import Chain, Node
from ssl4sar.provenance.contents import content_of
from ssl4sar.provenance.crate_graph import CrateGraph, encoding_format, references
from ssl4sar.provenance.record import OWN_FOLDERS, InputRecord, OutputRecord

BYTES_PER_MB: Final = 1_000_000
#: What the workflow makes, and what it is made of.
_OWN_PLACES: Final = frozenset(
    {*OWN_FOLDERS, "data", "src", "workflow", "config", "Snakefile"}
    | {"CITATION.cff", "LICENSE", "pyproject.toml"}
)


@dataclass(frozen=True)
class Layout:
    """Where the files of a chain are in a crate.

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
        """Return the path of a file in the crate; None outside the project."""
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
class _Recorded:
    """A file or folder as a record has it; sizes of source files are not recorded."""

    path: Path
    sha256: str
    bytes: int | None
    folder: bool = False
    files: Mapping[str, tuple[int, str]] | None = None

    def is_unchanged(self) -> bool:
        """Return whether it has this content today."""
        try:
            if self.folder:
                return content_of(self.path).sha256 == self.sha256
            return self.path.is_file() and sha256_file(self.path) == self.sha256
        except (UserError, OSError):
            return False

    def parts(self) -> list[_Recorded]:
        """Return the files of a folder that is there, as it is recorded or found."""
        files = self.files if self.files is not None else content_of(self.path).listing
        return [_Recorded(self.path / name, sha, size) for name, (size, sha) in files.items()]

    def facts(self, count: int | None) -> dict[str, str]:
        """Return the properties of a folder with ``count`` files."""
        size = "" if count is None else f"{count} files, "
        return {
            "description": f"{size}{self.bytes} bytes. The identifier is a SHA-256 over the names "
            "and hashes of the files, which the record of the job lists.",
            "identifier": f"sha256:{self.sha256}",
            "contentSize": str(self.bytes),
        }


@dataclass
class CrateData:
    """The data of a chain as entities of a crate.

    Attributes:
        graph: where they are described.
        layout: where they are.
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
        path = node.path_of(entry)
        return self._entity(_Recorded(path, entry.sha256, entry.bytes, folder, entry.files))

    def source_file(self, project: Path, file: str, sha256: str) -> str:
        """Describe a source file that a job ran and return its identifier."""
        return self._entity(_Recorded(project / file, sha256, None))

    def _entity(self, recorded: _Recorded) -> str:
        key = (recorded.path, recorded.sha256)
        if key not in self._known:
            place = self.layout.place(recorded.path)
            reason = self._reason_to_leave_out(recorded, place)
            if place is None or reason is not None:
                self._known[key] = self._add_left_out(recorded, place, reason or "")
            elif recorded.folder:
                parts = [self._entity(part) for part in recorded.parts()]
                facts = recorded.facts(len(parts))
                self._known[key] = self.graph.add(
                    f"{quote(place)}/",
                    "Dataset",
                    name=f"{place}/",
                    hasPart=references(parts),
                    **facts,
                )
            else:
                self._known[key] = self.graph.add_file(place, recorded.path, sha256=recorded.sha256)
        return self._known[key]

    def _reason_to_leave_out(self, recorded: _Recorded, place: str | None) -> str | None:
        if place is None:
            return "it is outside the project"
        path = recorded.path
        if not recorded.folder or recorded.files is None:
            against = reason_against(place, path, self.layout)
            if against is not None:
                return against
        if self.graph.copies.get(place, path) != path:
            return "another file of the crate has its place"
        is_wanted = not self.wanted.isdisjoint([path, *path.parents])
        if (recorded.bytes or 0) > self.limit_bytes and not is_wanted:
            return f"it is larger than {self.limit_bytes / BYTES_PER_MB:g} MB"
        if recorded.is_unchanged():
            return None
        return "it has another content now" if path.exists() else "it is no longer there"

    def _add_left_out(self, recorded: _Recorded, place: str | None, reason: str) -> str:
        # Of what is outside only the name goes into the crate: such paths name people and sites.
        shown = recorded.path.name if place is None else place
        start = "outside" if place is None else "not-included"
        identifier = f"#{start}/{quote(shown)}@{recorded.sha256[:12]}"
        self.left_out[shown] = reason
        description = f"Not included in this crate: {reason}."
        if recorded.folder:
            facts = recorded.facts(None if recorded.files is None else len(recorded.files))
            facts["description"] = f"{description} {facts['description']}"
            return self.graph.add(identifier, "Dataset", name=shown, **facts)
        return self.graph.add(
            identifier,
            "File",
            name=shown,
            description=description,
            sha256=recorded.sha256,
            contentSize=None if recorded.bytes is None else str(recorded.bytes),
            encodingFormat=encoding_format(shown),
        )
