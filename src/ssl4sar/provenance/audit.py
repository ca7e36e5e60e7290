"""Auditing a file: does everything it came from still hold, and does today's project match it?"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ssl4sar.config.keys import leaves, value_at
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.wording import counted
from ssl4sar.provenance.audit_files import check_files
from ssl4sar.provenance.chain import Chain, Gap, Node, external_inputs
from ssl4sar.provenance.digest import KEPT_BY_CONTENT, meanings, source_files
from ssl4sar.provenance.problem import Problem, listed, shown
from ssl4sar.provenance.record import OWN_FOLDERS, InputRecord, path_from, rule_files
from ssl4sar.provenance.surroundings import versions

_NAMES_SHOWN: Final = 3


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


def audit_chain(chain: Chain, today: StudyConfig | UserError, quick: bool = False) -> Audit:
    """Check every file, record, source file and configuration key of a chain.

    Args:
        chain: the records of a file.
        today: today's configuration, or why it cannot be read.
        quick: compare sizes only, and hash nothing.

    Returns:
        What was found, the most upstream first within each kind.
    """
    audit = Audit(chain)
    _check_gaps(audit)
    files = check_files(chain, quick)
    audit.problems += files.problems
    audit.notes += files.notes
    audit.files, audit.bytes = files.files, files.bytes
    _check_links(audit)
    _check_code(audit)
    if isinstance(today, UserError):
        told = f"{today.problem}, so nothing is compared with it; {today.fix}"
        audit.problems.append(Problem("config", today.subject, told, ()))
    else:
        _check_config(audit, today)
    _note_clocks(audit)
    _note_surroundings(audit)
    if quick:
        audit.notes.append("quick: sizes were compared, contents were not")
    return audit


def _check_gaps(audit: Audit) -> None:
    broken: defaultdict[Path, list[Gap]] = defaultdict(list)
    for gap in audit.chain.gaps:
        broken[_record_of(gap)].append(gap)
    audit.problems += [_gap_problem(record, gaps) for record, gaps in broken.items()]
    for node, entry in external_inputs(audit.chain):
        path = node.path_of(entry)
        if any(path.is_relative_to(node.workdir / folder) for folder in OWN_FOLDERS):
            told = f"the job that made it had left no record when {node.record.job} read it"
            audit.problems.append(Problem("record", shown(path), told, (node.record.job,)))
    for path, records in audit.chain.rivals:
        told = "two records say to have made it: " + " and ".join(map(shown, records))
        audit.problems.append(Problem("rival", shown(path), told, ()))


def _record_of(gap: Gap) -> Path:
    if gap.error is not None:
        return Path(gap.error.subject)
    assert gap.entry.maker is not None, "what has no maker is no gap"
    return path_from(gap.node.folder, gap.entry.maker.record)


def _gap_problem(record: Path, gaps: list[Gap]) -> Problem:
    """Tell once of a record whatever it is missed for."""
    jobs = [gap.node.record.job for gap in gaps]
    made = listed([shown(gap.node.path_of(gap.entry)) for gap in gaps])
    problem = "the record is missing" if gaps[0].error is None else gaps[0].error.problem
    told = f"{problem} (it tells how {made} was made)"
    return Problem("record", shown(record), told, tuple(dict.fromkeys(jobs)))


def _check_links(audit: Audit) -> None:
    for node in audit.chain.nodes:
        for entry, maker in node.inputs:
            if maker is not None:
                _check_link(audit, node, entry, maker)


def _check_link(audit: Audit, node: Node, entry: InputRecord, maker: Node) -> None:
    """Compare what a job read with what its maker's record says today."""
    reader, path = node.record.job, node.path_of(entry)
    output = next(o for o in maker.record.outputs if maker.path_of(o) == path)
    if output.sha256 != entry.sha256:
        told = f"{maker.record.job} made it anew with another content after {reader} had read it"
        audit.problems.append(Problem("stale", shown(path), told, (reader,)))
    elif entry.maker is not None and maker.record.id != entry.maker.id:
        if node.claim.path.is_symlink():
            return  # served by a shared cache: it was another clone that read the record
        # A job that ran again with the same result renews its record. An older one that is not
        # what was found is no record that the workflow wrote.
        if maker.record.ended > node.record.started:
            note = (
                f"{maker.record.job} was made again since {reader} read it, with the same content"
            )
            if note not in audit.notes:
                audit.notes.append(note)
            return
        told = f"it is not the record that {reader} found, and it says to be older than {reader}"
        problem = Problem("record", shown(maker.claim.path), told, (maker.record.job,))
        if problem not in audit.problems:
            audit.problems.append(problem)


def _check_code(audit: Audit) -> None:
    """Compare the source files of every job with those of today, file by file.

    What computes differently is a problem; what is only written differently, and code around a job
    or of a fetch, whose product is known by its content, is a note.
    """
    found: defaultdict[_Difference, list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        project = _project_of(node, audit.chain)
        for each in _code_differences(node, project):
            found[replace(each, file=shown(project / each.file))].append(node.record.job)
    for each, jobs in found.items():
        if each.decides:
            problem = f"{each.problem} {listed(jobs)}"
            audit.problems.append(Problem("code", each.file, problem, tuple(jobs)))
    harmless = sorted({each.file for each in found if not each.decides})
    if harmless:
        names = ", ".join(harmless[:_NAMES_SHOWN]) + ", ..." * (len(harmless) > _NAMES_SHOWN)
        audit.notes.append(
            f"{counted(len(harmless), 'source file')} differ today in texts, around the jobs, or "
            f"in what fetched, which cannot change what was computed: {names}"
        )


@dataclass(frozen=True)
class _Difference:
    """A source file that is not today what it was when a job ran.

    Attributes:
        file: the file.
        problem: a phrase before the name of the job.
        decides: whether the job could compute otherwise with it.
    """

    file: str
    problem: str
    decides: bool


def _project_of(node: Node, chain: Chain) -> Path:
    """Return the project of a job; of one that a shared cache served, that of the result."""
    lies_here = (node.project / node.record.code.script).is_file()
    return node.project if lies_here else chain.root.project


def _code_differences(node: Node, project: Path) -> Iterator[_Difference]:
    code = node.record.code
    script = project / code.script
    if not script.is_file():
        problem = "is not in this project, so nothing is known of the code of"
        yield _Difference(code.script, problem, True)
        return
    source, modules = project / "src", node.record.parameters.get("modules", ())
    paths = source_files(script, source, left_out=(), modules=modules)
    now = {name: os.path.relpath(path, project) for name, path in paths.items()}
    counting = meanings(source_files(script, source, modules=modules))
    meaning_now = {now[name]: meaning for name, meaning in counting.items()}
    for file in sorted({*code.files, *now.values()}):
        if file not in now.values():
            gone = "is not there any more" if not (project / file).exists() else "is unused"
            problem = f"{gone} today, it was part of"
        elif file not in code.files:
            problem = "is used today, it was no part of"
        elif sha256_file(project / file) != code.files[file]:
            problem = "differs today from what ran in"
        else:
            continue
        same = bool(code.meanings) and code.meanings.get(file) == meaning_now.get(file)
        yield _Difference(file, problem, not same and code.digest != KEPT_BY_CONTENT)


def _check_config(audit: Audit, today: StudyConfig) -> None:
    """Compare the keys that every job read with those of today, value by value."""
    plain = today.resolved()
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        for key, told in _config_differences(node, plain):
            found[key, told].append(node.record.job)
    for (key, told), jobs in found.items():
        problem = Problem("config", key, f"{told} when {listed(jobs)} ran", tuple(jobs))
        audit.problems.append(problem)


def _config_differences(node: Node, today: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, then in leaves(node.record.cfg).items():
        now = _value(today, key)
        if now != then:
            yield key, f"is {now!r} today, it was {then!r}"


def _value(values: Mapping[str, Any], key: str) -> Any:
    try:
        return value_at(values, key)
    except KeyError:
        return None


def _note_clocks(audit: Audit) -> None:
    for node in audit.chain.nodes:
        record = node.record
        if record.ended < record.started:
            audit.notes.append(
                f"{record.job} ended before it started: the clock of {record.machine.get('host')} "
                f"went backwards; it took {record.duration_s:.0f} s"
            )
        for entry, maker in node.inputs:
            if maker is None or entry.maker is None or maker.record.id != entry.maker.id:
                continue
            if maker.record.ended > record.ended:
                audit.notes.append(
                    f"{record.job} ended before {maker.record.job}, whose output it read: "
                    "a clock was wrong"
                )


def _note_surroundings(audit: Audit) -> None:
    upstream_first = audit.chain.nodes[::-1]
    now = versions()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node in upstream_first:
        job = node.record.job
        for name, then in node.record.versions.items():
            if now.get(name) != then:
                found[f"{name} {then}, here is {now.get(name, 'none')}"].append(job)
        for file in _changed_rules(node, _project_of(node, audit.chain)):
            found[f"another {file}: not compared, snakemake -n tells what it changes"].append(job)
        if node.record.code.changed:
            found["files that were not committed"].append(job)
    audit.notes += [f"{listed(jobs)} ran with {what}" for what, jobs in found.items()]


def _changed_rules(node: Node, project: Path) -> Iterator[str]:
    now = {os.path.relpath(path, project): path for path in rule_files(project)}
    then = node.record.code.workflow
    for file in sorted({*then, *now}):
        if file not in now or sha256_file(now[file]) != then.get(file):
            yield file
