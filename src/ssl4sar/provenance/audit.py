"""Auditing a file: does everything it came from still hold, and does today's project match it?"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ssl4sar.config.study import StudyConfig
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import track
from ssl4sar.provenance.chain import Chain, Gap, Node, external_inputs
from ssl4sar.provenance.contents import folder_files
from ssl4sar.provenance.digest import source_files
from ssl4sar.provenance.record import OWN_FOLDERS, InputRecord, OutputRecord
from ssl4sar.provenance.surroundings import versions

Kind = Literal["missing", "altered", "added", "record", "stale", "rival", "code", "config"]


@dataclass(frozen=True)
class Problem:
    """Something that does not hold.

    Attributes:
        kind: missing, altered, added: a file. record: a record that is not there or cannot be
            used. stale: an input that was made anew since it was read. rival: a file that two
            records claim. code, config: what today's project has otherwise.
        subject: file or key.
        told: what is wrong with it.
        jobs: jobs it concerns.
    """

    kind: Kind
    subject: str
    told: str
    jobs: tuple[str, ...]


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        chain: the jobs behind the file.
        problems: what does not hold; empty: everything holds.
        notes: what a reader should know and what is no fault.
        files: files looked at.
        bytes: bytes hashed; 0 for a quick audit.
    """

    chain: Chain
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is missing, altered or different today."""
        return not self.problems


@dataclass(frozen=True)
class _Expected:
    """A file as a record tells it."""

    bytes: int
    sha256: str
    job: str
    outside: bool
    temporary: bool


def audit_chain(chain: Chain, today: StudyConfig | None, quick: bool = False) -> Audit:
    """Check every file, record, source file and configuration key of a chain.

    Args:
        chain: the records of a file.
        today: today's configuration; None leaves it out, which is told.
        quick: compare sizes only, and hash nothing.

    Returns:
        What was found, the most upstream first within each kind.
    """
    audit = Audit(chain)
    _check_gaps(audit)
    _check_files(audit, quick)
    _check_links(audit)
    _check_code(audit)
    if today is None:
        audit.notes.append("the configuration of today was not compared")
    else:
        _check_config(audit, today)
    _note_clocks(audit)
    _note_versions(audit)
    if quick:
        audit.notes.append("quick: sizes were compared, contents were not")
    return audit


def shown(path: Path) -> str:
    """Return a path as a person in the working directory would type it."""
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def _check_gaps(audit: Audit) -> None:
    for gap in audit.chain.gaps:
        audit.problems.append(_gap_problem(gap))
    for node, entry in external_inputs(audit.chain):
        path = node.path_of(entry)
        if any(path.is_relative_to(node.project / folder) for folder in OWN_FOLDERS):
            told = f"the job that made it had left no record when {node.record.job} read it"
            audit.problems.append(Problem("record", shown(path), told, (node.record.job,)))
    for path, records in audit.chain.rivals:
        told = "two records say to have made it: " + " and ".join(map(shown, records))
        audit.problems.append(Problem("rival", shown(path), told, ()))


def _gap_problem(gap: Gap) -> Problem:
    job = (gap.node.record.job,)
    path = shown(gap.node.path_of(gap.entry))
    if gap.error is not None:
        told = f"{gap.error.problem} (it tells how {path} was made)"
        return Problem("record", shown(Path(gap.error.subject)), told, job)
    maker = gap.entry.maker
    made = "" if maker is None else f" of {maker.rule}, which made it,"
    return Problem("record", path, f"the record{made} is missing", job)


def _check_files(audit: Audit, quick: bool) -> None:
    expected, folders = _expected_files(audit.chain)
    audit.files = len(expected)
    present = {path: size for path in expected if (size := _size(path)) is not None}
    hashed = {} if quick else _hashes(_worth_hashing(expected, present))
    audit.bytes = sum(present[path] for path in hashed)
    for path, told in expected.items():
        problem = _file_problem(path, told, present.get(path), hashed.get(path))
        if problem is None:
            continue
        if told.temporary and problem.kind == "missing":
            audit.notes.append(f"{shown(path)}: temporary, deleted after use; its hash is known")
        else:
            audit.problems.append(problem)
    for folder, job in folders.items():
        for name in sorted(_files_in(folder)):
            if folder / name not in expected:
                told_ = f"{job} did not write it, and it lies in a folder of {job}"
                audit.problems.append(Problem("added", shown(folder / name), told_, (job,)))


def _expected_files(chain: Chain) -> tuple[dict[Path, _Expected], dict[Path, str]]:
    """Return every file that the records tell, and the folders that hold nothing else."""
    files: dict[Path, _Expected] = {}
    folders: dict[Path, str] = {}
    # Upstream first: the first fault is what a reader should see first.
    for node in reversed(chain.nodes):
        for entry in node.record.outputs:
            _expect(files, folders, node, entry, outside=False)
    for node, outside in external_inputs(chain):
        _expect(files, folders, node, outside, outside=True)
    return files, folders


def _expect(
    files: dict[Path, _Expected],
    folders: dict[Path, str],
    node: Node,
    entry: InputRecord | OutputRecord,
    outside: bool,
) -> None:
    path, job = node.path_of(entry), node.record.job
    temporary = isinstance(entry, OutputRecord) and entry.temporary
    if entry.files is None:
        files.setdefault(path, _Expected(entry.bytes, entry.sha256, job, outside, temporary))
        return
    if not outside:
        folders[path] = job
    for name, (size, sha256) in entry.files.items():
        files.setdefault(path / name, _Expected(size, sha256, job, outside, temporary))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _worth_hashing(
    expected: Mapping[Path, _Expected], present: Mapping[Path, int]
) -> dict[Path, int]:
    return {path: size for path, size in present.items() if size == expected[path].bytes}


def _hashes(sizes: Mapping[Path, int]) -> dict[Path, str | None]:
    """Hash files on all cores, the large ones first; None for one that cannot be read."""
    paths = sorted(sizes, key=lambda path: -sizes[path])

    def read(path: Path) -> str | None:
        try:
            return sha256_file(path)
        except OSError:
            return None

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = track(pool.map(read, paths), "hashing files", total=len(paths))
        return dict(zip(paths, done, strict=True))


def _file_problem(
    path: Path, told: _Expected, size: int | None, sha256: str | None
) -> Problem | None:
    verb = "read" if told.outside else "wrote"
    if size is None:
        return Problem(
            "missing", shown(path), f"{told.job} {verb} it, it is not there", (told.job,)
        )
    if size != told.bytes:
        what = f"{told.job} {verb} {told.bytes} bytes, it has {size}"
    elif sha256 is not None and sha256 != told.sha256:
        what = f"{told.job} {verb} sha256 {told.sha256[:12]}..., it has {sha256[:12]}..."
    else:
        return None
    return Problem("altered", shown(path), what, (told.job,))


def _files_in(folder: Path) -> Iterable[str]:
    try:
        return list(folder_files(folder))
    except OSError:
        return []


def _check_links(audit: Audit) -> None:
    for node in audit.chain.nodes:
        for entry, maker in node.inputs:
            if maker is None:
                continue
            output = next(
                o for o in maker.record.outputs if maker.path_of(o) == node.path_of(entry)
            )
            if output.sha256 != entry.sha256:
                told = (
                    f"{maker.record.job} made it anew with another content after "
                    f"{node.record.job} had read it"
                )
                path = shown(node.path_of(entry))
                audit.problems.append(Problem("stale", path, told, (node.record.job,)))


def _check_code(audit: Audit) -> None:
    """Compare the source files of every job with those of today, file by file."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        for file, told in _code_differences(node):
            found[shown(node.project / file), told].append(node.record.job)
    for (file, told), jobs in found.items():
        problem = Problem("code", file, f"{told} {_listed(jobs)}", tuple(jobs))
        audit.problems.append(problem)


def _code_differences(node: Node) -> Iterator[tuple[str, str]]:
    then = node.record.code.files
    script = node.project / node.record.code.script
    if not script.is_file():
        yield node.record.code.script, "is not in this project, so the code cannot be compared for"
        return
    paths = source_files(script, node.project / "src").values()
    now = {os.path.relpath(path, node.project): path for path in paths}
    for file in sorted({*then, *now}):
        if file not in now:
            yield file, "is not used any more, it was by"
        elif file not in then:
            yield file, "is used today, it was not by"
        elif sha256_file(now[file]) != then[file]:
            yield file, "differs today from what ran in"


def _check_config(audit: Audit, today: StudyConfig) -> None:
    """Compare the keys that every job read with those of today, value by value."""
    plain = today.model_dump(mode="json")
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        for key, told in _config_differences(node, plain):
            found[key, told].append(node.record.job)
    for (key, told), jobs in found.items():
        problem = Problem("config", key, f"{told} when {_listed(jobs)} ran", tuple(jobs))
        audit.problems.append(problem)


def _config_differences(node: Node, today: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    # The name says where a run lies; what a shared cache served may carry another one.
    for key, then in leaves(node.record.cfg).items():
        now = _value(today, key)
        if now != then:
            yield key, f"is {now!r} today, it was {then!r}"


def leaves(values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found.update(leaves(value, f"{start}{key}."))
        else:
            found[start + key] = value
    return found


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return None
        values = values[part]
    return values


def _note_clocks(audit: Audit) -> None:
    for node in audit.chain.nodes:
        record = node.record
        if record.ended < record.started:
            audit.notes.append(
                f"{record.job} ended before it started: the clock of {record.machine.get('host')} "
                f"went backwards; it took {record.duration_s:.0f} s"
            )
        for _, maker in node.inputs:
            if maker is not None and maker.record.ended > record.ended:
                audit.notes.append(
                    f"{record.job} ended before {maker.record.job}, whose output it read: a clock "
                    "was wrong, or it was made again since, with the same content"
                )


def _note_versions(audit: Audit) -> None:
    now = versions()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        for name, then in node.record.versions.items():
            if now.get(name) != then:
                found[f"{name} {then}, here is {now.get(name, 'none')}"].append(node.record.job)
    for difference, jobs in found.items():
        audit.notes.append(f"{_listed(jobs)} ran with {difference}")
    changed = [node.record.job for node in reversed(audit.chain.nodes) if node.record.code.changed]
    if changed:
        audit.notes.append(f"{_listed(changed)} ran with files that were not committed")


def _listed(jobs: list[str]) -> str:
    names = list(dict.fromkeys(jobs))
    shown_jobs = ", ".join(names[:4])
    return shown_jobs if len(names) <= 4 else f"{shown_jobs} and {len(names) - 4} more"
