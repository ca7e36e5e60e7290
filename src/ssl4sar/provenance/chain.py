"""The chain of records from a file down to what came from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import realpath
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.record import RecordError
from ssl4sar.provenance.contents import Content
from ssl4sar.provenance.record import (
    SUFFIX,
    InputRecord,
    JobRecord,
    OutputRecord,
    path_from,
)

#: Levels of folders between a file within an output folder and the record of that folder.
_HIGHEST_LEVEL: Final = 8


@dataclass(frozen=True)
class Claim:
    """A record that says to have made a file.

    Attributes:
        path: the record.
        record: its content.
        output: the output that is the file, or the folder that holds it.
    """

    path: Path
    record: JobRecord
    output: OutputRecord

    @property
    def output_path(self) -> Path:
        """The output, as the record's place gives it."""
        return path_from(self.path.parent, self.output.path)


class Records:
    """The records of a project, each read once."""

    def __init__(self) -> None:
        self._read: dict[Path, JobRecord | RecordError] = {}

    def claims(self, path: str | Path) -> tuple[list[Claim], list[RecordError]]:
        """Find the records that say to have made a file.

        Args:
            path: file or folder; it may be missing. Links are not followed, because an entry of
                a shared cache is described beside the link.

        Returns:
            The claims, and the records of the same place that cannot be used.
        """
        wanted = path_from(Path.cwd(), str(path))
        found: list[Claim] = []
        unusable: list[RecordError] = []
        for folder in list(wanted.parents)[:_HIGHEST_LEVEL]:
            record_paths = sorted(folder.glob(f"*{SUFFIX}"))
            for record_path in record_paths:
                record = self.read(record_path)
                if isinstance(record, RecordError):
                    unusable.append(record)
                    continue
                for output in record.outputs:
                    if _is_of(wanted, output, path_from(folder, output.path)):
                        found.append(Claim(record_path, record, output))
            if record_paths:
                # Records are beside what they describe: those further up describe other things.
                break
        return found, unusable

    def read(self, path: Path) -> JobRecord | RecordError:
        """Return a record, or why it cannot be used."""
        if path not in self._read:
            try:
                self._read[path] = JobRecord.read(path)
            except RecordError as error:
                self._read[path] = error
        return self._read[path]


def _is_of(wanted: Path, output: OutputRecord, made: Path) -> bool:
    """Return whether a path is an output or a file that the job wrote into one."""
    if made == wanted:
        return True
    if output.files is None or made not in wanted.parents:
        return False
    inside = wanted.relative_to(made).as_posix()
    # A folder within the output counts, too.
    return any(name == inside or name.startswith(f"{inside}/") for name in output.files)


@dataclass
class Node:
    """A job of a chain.

    Attributes:
        claim: its record and the output that led here.
        inputs: its inputs with the jobs that made them; None: from outside, or unknown.
    """

    claim: Claim
    inputs: list[tuple[InputRecord, Node | None]] = field(default_factory=list)

    @property
    def record(self) -> JobRecord:
        """The record of the job."""
        return self.claim.record

    @property
    def folder(self) -> Path:
        """Folder of the record, from which its paths count."""
        return self.claim.path.parent

    @property
    def project(self) -> Path:
        """Folder of the Snakefile."""
        return path_from(self.folder, self.record.project)

    @property
    def workdir(self) -> Path:
        """Working directory of the run."""
        return path_from(self.folder, self.record.workdir)

    def path_of(self, entry: InputRecord | OutputRecord) -> Path:
        """Return where an input or output of this job is."""
        return path_from(self.folder, entry.path)


@dataclass(frozen=True)
class Gap:
    """An input whose maker is known but whose record is not there or not usable.

    Attributes:
        node: the job that read it.
        entry: the input.
        error: why its record cannot be used; None where there is none.
    """

    node: Node
    entry: InputRecord
    error: RecordError | None

    @property
    def record(self) -> Path:
        """The record."""
        if self.error is not None:
            return Path(self.error.subject)
        assert self.entry.maker is not None, "what has no maker is not a gap"
        return path_from(self.node.folder, self.entry.maker.record)


@dataclass
class Chain:
    """Everything a file came from.

    Attributes:
        root: the job that made the file.
        nodes: every job once, those that made inputs after those that read them.
        gaps: where the chain is broken.
        rivals: files that several records claim, with these records.
    """

    root: Node
    nodes: list[Node]
    gaps: list[Gap]
    rivals: list[tuple[Path, list[Path]]]


def chain_of(path: str | Path, content: Content | None = None) -> Chain:
    """Follow the records of a file.

    Args:
        path: a file or folder that the workflow made, or a file within such a folder.
        content: what it holds; decides between several records that claim it.

    Raises:
        UserError: there is no record of it, or none that can be used.
    """
    records = Records()
    claims, unusable = records.claims(path)
    if not claims and not unusable and Path(path).is_symlink():
        # Somebody's link to a result. One into a shared cache has its record beside it.
        claims, unusable = records.claims(Path(realpath(path)))
    if not claims:
        raise unusable[0] if unusable else _no_record(path, records)
    rivals = [(Path(path), [claim.path for claim in claims])] if len(claims) > 1 else []
    chain = Chain(Node(_fitting(claims, content)), [], [], rivals)
    _follow(chain.root, chain, records, {})
    chain.nodes.reverse()
    return chain


def _no_record(path: str | Path, records: Records) -> UserError:
    if not Path(path).exists():
        return UserError(path, "does not exist", "name a file that the workflow made")
    above = _folder_of_a_job(path, records)
    if above is not None:
        return UserError(
            path,
            f"{above.record.job}, which wrote the folder that it is in, did not write it",
            "remove it, or audit the folder",
        )
    return UserError(
        path,
        "there is no record of the job that made it",
        "audit it in the folder it was made in (a copy needs its record and what it came from), "
        "or make it again",
    )


def recorded_sha256(claim: Claim, path: str | Path) -> str | None:
    """Return the hash that a record has of a file; None for a part of an output folder.

    Args:
        claim: the record's claim of the file.
        path: the file.
    """
    wanted = path_from(Path.cwd(), str(path))
    if wanted == claim.output_path or claim.output.files is None:
        return claim.output.sha256
    inside = wanted.relative_to(claim.output_path).as_posix()
    entry = claim.output.files.get(inside)
    return None if entry is None else entry[1]


def _folder_of_a_job(path: str | Path, records: Records) -> Claim | None:
    for folder in list(path_from(Path.cwd(), str(path)).parents)[:_HIGHEST_LEVEL]:
        claims, _ = records.claims(folder)
        if claims:
            return claims[0]
    return None


def _fitting(claims: list[Claim], content: Content | None) -> Claim:
    """Choose the claim whose hash fits, else the job that ended last."""
    if content is not None:
        for claim in claims:
            if claim.output.sha256 == content.sha256:
                return claim
    return max(claims, key=lambda claim: claim.record.ended)


def _follow(node: Node, chain: Chain, records: Records, seen: dict[Path, Node]) -> None:
    seen[node.claim.path] = node
    for entry in node.record.inputs:
        node.inputs.append((entry, _maker(node, entry, chain, records, seen)))
    # After everything it came from: reversed at the end, readers stand before makers.
    chain.nodes.append(node)


def _maker(
    node: Node, entry: InputRecord, chain: Chain, records: Records, seen: dict[Path, Node]
) -> Node | None:
    if entry.maker is None:
        return None
    path = node.path_of(entry)
    claims, unusable = records.claims(path)
    if not claims:
        chain.gaps.append(Gap(node, entry, unusable[0] if unusable else None))
        return None
    if len(claims) > 1 and all(path != rival for rival, _ in chain.rivals):
        chain.rivals.append((path, [claim.path for claim in claims]))
    claim = _fitting(claims, Content(entry.bytes, entry.sha256))
    if claim.path not in seen:
        _follow(Node(claim), chain, records, seen)
    return seen[claim.path]


def external_inputs(chain: Chain) -> Iterator[tuple[Node, InputRecord]]:
    """Yield what came from outside, with the jobs that read it."""
    for node in chain.nodes:
        for entry, _ in node.inputs:
            if entry.maker is None:
                yield node, entry
