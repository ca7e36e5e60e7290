"""The record of a job: what it read, did and wrote; a JSON file beside its outputs.

Paths count from the folder of the record, so records hold when the project moves and when a
shared cache serves them to another clone. Only what is outside the project has absolute paths.
A record carries a hash of itself and those of the records of the jobs that made its inputs, so
the record of a result names everything down to what came from outside.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field

from ssl4sar.core.record import Record, RecordError, RecordPart

SUFFIX: Final = ".provenance.json"

#: Folders in which everything is made by the workflow.
OWN_FOLDERS: Final = ("resources", "runs", "results")


def _is_path(path: str) -> str:
    if not path or "\0" in path:
        raise ValueError("it is not a path")
    return path


def _is_below(path: str) -> str:
    parts = PurePosixPath(_is_path(path)).parts
    if path.startswith("/") or ".." in parts or not parts:
        raise ValueError("it leads out of the folder")
    return path


#: A path of a record; one that stays below the folder from which it counts.
_Path = Annotated[str, AfterValidator(_is_path)]
_PathBelow = Annotated[str, AfterValidator(_is_below)]


class Maker(RecordPart):
    """The job that made an input."""

    rule: str
    """Its rule."""
    record: _Path
    """Its record, path from the folder of this record."""
    id: str
    """Hash that the record had."""


class InputRecord(RecordPart):
    """A file or folder that a job read."""

    path: _Path
    """Path from the folder of the record; absolute outside the project."""
    folder: bool
    """Whether it is a folder."""
    bytes: int
    """Size; of a folder the sum over its files."""
    sha256: str
    """Hash, as in ``ssl4sar.provenance.contents``."""
    maker: Maker | None
    """The job that made it; None for what came from outside."""
    files: dict[_PathBelow, tuple[int, str]] | None
    """Of a folder from outside: size and SHA-256 of each file by path in it."""


class OutputRecord(RecordPart):
    """A file or folder that a job wrote."""

    path: _PathBelow
    """Path from the folder of the record, in or below which all outputs are."""
    bytes: int
    """Size; of a folder the sum over its files."""
    sha256: str
    """Hash, as in ``ssl4sar.provenance.contents``."""
    files: dict[_PathBelow, tuple[int, str]] | None
    """Of a folder: size and SHA-256 of each file by path in it."""
    temporary: bool
    """Whether the workflow deletes it once it was used."""


class CodeRecord(RecordPart):
    """The code that ran."""

    digest: str
    """The parameter ``source`` of the rule: SHA-256 over what script and modules compute, or, of a
    rule that fetches, that its product is cached by content."""
    script: _PathBelow
    """Script, path from the project."""
    files: dict[_PathBelow, str]
    """SHA-256 by path from the project: the script and every module it can reach."""
    meanings: dict[_PathBelow, str] = Field(default_factory=dict)
    """Hash of what they compute, of those that count; older records have none."""
    workflow: dict[_PathBelow, str]
    """SHA-256 by path from the project: the files that state the rules."""
    commit: str | None
    """Commit of the checkout; None outside a repository."""
    changed: bool | None
    """Whether deciding files differed from the commit."""


class ConfigRecord(RecordPart):
    """Where the configuration came from."""

    file: _Path
    """Configuration file, path from the project; absolute outside it."""
    overrides: dict[str, Any]
    """Values of ``--config``."""


class JobRecord(Record):
    """Everything about one job that made files."""

    SCHEMA: ClassVar[str] = "ssl4sar.provenance/1"
    NAME: ClassVar[str] = "record of a job"
    FIX: ClassVar[str] = "make its outputs again"

    rule: str
    """Rule of the workflow."""
    wildcards: dict[str, str]
    """Wildcards of the job, e.g. its member."""
    study: str
    """Name of the run that first made the outputs."""
    seed: int | None
    """Seed of the job where it has one."""
    project: _Path
    """Folder of the Snakefile, path from the folder of the record."""
    workdir: _Path
    """Working directory of the run, path from the folder of the record."""
    configuration: ConfigRecord
    """Where the configuration came from."""
    cfg: dict[str, Any]
    """The keys that the rule reads, with their values."""
    parameters: dict[str, Any]
    """Its other parameters."""
    code: CodeRecord
    """The code that ran."""
    inputs: tuple[InputRecord, ...]
    """What the job read."""
    outputs: tuple[OutputRecord, ...]
    """What the job wrote, this record excepted."""
    versions: dict[str, str]
    """Versions of Python and libraries."""
    machine: dict[str, Any]
    """Host, system, cores, devices."""
    cluster: dict[str, str]
    """Job number and more from SLURM; empty outside it."""
    threads: int
    """Cores the job was given."""
    resources: dict[str, Any]
    """Memory, run time and GPUs the job was given."""
    started: str
    """Start by the clock of the host, UTC, ISO 8601."""
    ended: str
    """End by the clock of the host, UTC, ISO 8601."""
    duration_s: float
    """Duration by a clock that never goes backwards, seconds."""

    @property
    def id(self) -> str:
        """SHA-256 of the record's content."""
        text = json.dumps(self._plain(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def job(self) -> str:
        """The job in words, e.g. ``finetune model=imagenet member=seed0``."""
        return " ".join([self.rule, *(f"{k}={v}" for k, v in sorted(self.wildcards.items()))])

    def values(self, path: Path) -> dict[str, Any]:
        """Return its fields after its own hash."""
        return {"id": self.id, **self._plain()}

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """Return a record whose own hash holds.

        Raises:
            RecordError: it was edited since it was written.
        """
        recorded_id = values.pop("id", None)
        record = cls.model_validate(values)
        if record.id != recorded_id:
            raise RecordError(
                path,
                "edited",
                "the record was edited since it was written: its own hash does not hold",
                "make its outputs again, or restore the record",
            )
        return record

    def _plain(self) -> dict[str, Any]:
        # What an older record does not have is not part of its hash.
        return self.model_dump(mode="json", exclude_unset=True)


def rule_files(project: Path) -> list[Path]:
    """Return the files of a project that state its rules, sorted."""
    main = project / "Snakefile"
    return [
        *([main] if main.is_file() else []),
        *sorted((project / "workflow/rules").glob("*.smk")),
    ]


def path_between(path: str | Path, folder: str | Path) -> str:
    """Return the path of a file from a folder, POSIX, without looking through links."""
    return Path(os.path.relpath(path, folder)).as_posix()


def path_from(folder: str | Path, path: str) -> Path:
    """Return what a path of a record means: joined to its folder, absolute ones as they are."""
    return Path(os.path.normpath(Path(folder) / path))
