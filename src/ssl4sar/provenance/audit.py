"""Auditing a file: does everything it came from still hold, and does today's project match it?"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ssl4sar.config.keys import leaves, value_at
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.wording import counted
from ssl4sar.provenance.audit_files import check_files
from ssl4sar.provenance.chain import Chain, Gap, Node, external_inputs
from ssl4sar.provenance.digest import CACHED_BY_CONTENT, meanings, source_files
from ssl4sar.provenance.findings import Audit, listed, shown
from ssl4sar.provenance.record import OWN_FOLDERS, InputRecord, rule_files
from ssl4sar.provenance.surroundings import versions

_NAMES_SHOWN: Final = 3


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
    check_files(audit, quick)
    for node in chain.nodes:
        for entry, maker in node.inputs:
            if maker is not None:
                _check_link(audit, node, entry, maker)
    _check_code(audit)
    if isinstance(today, UserError):
        message = f"{today.problem}, so nothing is compared with it; {today.fix}"
        audit.add("config", today.subject, message)
    else:
        _check_config(audit, today)
    _note_clocks(audit)
    _note_surroundings(audit)
    if quick:
        audit.note("quick: sizes were compared, contents were not")
    return audit


def _check_gaps(audit: Audit) -> None:
    broken: defaultdict[Path, list[Gap]] = defaultdict(list)
    for gap in audit.chain.gaps:
        broken[gap.record].append(gap)
    for record, gaps in broken.items():
        # Once for a record, whatever it is missing for.
        made = listed([shown(gap.node.path_of(gap.entry)) for gap in gaps])
        problem = "the record is missing" if gaps[0].error is None else gaps[0].error.problem
        jobs = dict.fromkeys(gap.node.record.job for gap in gaps)
        audit.add("record", record, f"{problem} (it says how {made} was made)", *jobs)
    for node, entry in external_inputs(audit.chain):
        path, job = node.path_of(entry), node.record.job
        if any(path.is_relative_to(node.workdir / folder) for folder in OWN_FOLDERS):
            message = f"the job that made it had left no record when {job} read it"
            audit.add("record", path, message, job)
    for path, records in audit.chain.rivals:
        claims = " and ".join(map(shown, records))
        audit.add("rival", path, f"two records say to have made it: {claims}")


def _check_link(audit: Audit, node: Node, entry: InputRecord, maker: Node) -> None:
    """Compare what a job read with what its maker's record says today."""
    reader, path, job = node.record.job, node.path_of(entry), maker.record.job
    output = next(o for o in maker.record.outputs if maker.path_of(o) == path)
    if output.sha256 != entry.sha256:
        message = f"{job} made it again with another content after {reader} had read it"
        audit.add("stale", path, message, reader)
    elif entry.maker is None or maker.record.id == entry.maker.id:
        return
    elif node.claim.path.is_symlink():
        return  # served by a shared cache: it was another clone that read the record
    elif maker.record.ended > node.record.started:
        # A job that ran again with the same result renews its record. An older one that is not
        # what was found is not a record that the workflow wrote.
        audit.note(f"{job} was made again since {reader} read it, with the same content")
    else:
        message = f"it is not the record that {reader} found, and it says to be older than {reader}"
        audit.add("record", maker.claim.path, message, job)


def _check_code(audit: Audit) -> None:
    """Compare the source files of every job with those of today, file by file.

    What computes differently is a problem; what is only written differently, and code around a job
    or of a fetch, whose product is known by its content, is a note.
    """
    deciding: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    harmless: set[str] = set()
    for node in reversed(audit.chain.nodes):
        project = _project_of(node, audit.chain)
        for file, problem, decides in _code_differences(node, project):
            name = shown(project / file)
            if decides:
                deciding[name, problem].append(node.record.job)
            else:
                harmless.add(name)
    for (name, problem), jobs in deciding.items():
        audit.add("code", name, f"{problem} {listed(jobs)}", *jobs)
    if harmless:
        names = ", ".join(sorted(harmless)[:_NAMES_SHOWN])
        names += ", ..." * (len(harmless) > _NAMES_SHOWN)
        audit.note(
            f"{counted(len(harmless), 'source file')} differ today in texts, around the jobs, or "
            f"in what fetched, which cannot change what was computed: {names}"
        )


def _project_of(node: Node, chain: Chain) -> Path:
    """Return the project of a job; of one that a shared cache served, that of the result."""
    is_here = (node.project / node.record.code.script).is_file()
    return node.project if is_here else chain.root.project


def _code_differences(node: Node, project: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield the source files that are not today what they were when a job ran."""
    code = node.record.code
    script = project / code.script
    if not script.is_file():
        yield code.script, "is not in this project, so nothing is known of the code of", True
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
            problem = "is used today, it was not part of"
        elif sha256_file(project / file) != code.files[file]:
            problem = "differs today from what ran in"
        else:
            continue
        same = bool(code.meanings) and code.meanings.get(file) == meaning_now.get(file)
        yield file, problem, not same and code.digest != CACHED_BY_CONTENT


def _check_config(audit: Audit, today: StudyConfig) -> None:
    """Compare the keys that every job read with those of today, value by value."""
    plain = today.resolved()
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        for key, then in leaves(node.record.cfg).items():
            now = _value(plain, key)
            if now != then:
                found[key, f"is {now!r} today, it was {then!r}"].append(node.record.job)
    for (key, message), jobs in found.items():
        audit.add("config", key, f"{message} when {listed(jobs)} ran", *jobs)


def _value(values: Mapping[str, Any], key: str) -> Any:
    try:
        return value_at(values, key)
    except KeyError:
        return None


def _note_clocks(audit: Audit) -> None:
    for node in audit.chain.nodes:
        record = node.record
        if record.ended < record.started:
            audit.note(
                f"{record.job} ended before it started: the clock of {record.machine.get('host')} "
                f"went backwards; it took {record.duration_s:.0f} s"
            )
        for entry, maker in node.inputs:
            if maker is None or entry.maker is None or maker.record.id != entry.maker.id:
                continue
            if maker.record.ended > record.ended:
                audit.note(
                    f"{record.job} ended before {maker.record.job}, whose output it read: "
                    "a clock was wrong"
                )


def _note_surroundings(audit: Audit) -> None:
    now = versions()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node in reversed(audit.chain.nodes):
        job = node.record.job
        for name, then in node.record.versions.items():
            if now.get(name) != then:
                found[f"{name} {then}, here is {now.get(name, 'none')}"].append(job)
        for file in _changed_rules(node, _project_of(node, audit.chain)):
            found[f"another {file}: not compared, snakemake -n says what it changes"].append(job)
        if node.record.code.changed:
            found["files that were not committed"].append(job)
    audit.notes += [f"{listed(jobs)} ran with {what}" for what, jobs in found.items()]


def _changed_rules(node: Node, project: Path) -> Iterator[str]:
    now = {os.path.relpath(path, project): path for path in rule_files(project)}
    then = node.record.code.workflow
    for file in sorted({*then, *now}):
        if file not in now or sha256_file(now[file]) != then.get(file):
            yield file
