"""Making the record of a job: what it reads is hashed before it works, what it wrote after."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from ssl4sar.config.models import seed_of
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import CACHE_KEY, FileRecord
from ssl4sar.provenance import surroundings
from ssl4sar.provenance.chain import Claim, Records
from ssl4sar.provenance.contents import Content, content_of
from ssl4sar.provenance.digest import (
    CACHED_BY_CONTENT,
    content_digests,
    digest_of,
    meanings,
    source_files,
)
from ssl4sar.provenance.record import (
    CodeRecord,
    ConfigRecord,
    InputRecord,
    JobRecord,
    Maker,
    OutputRecord,
    path_between,
    path_from,
    rule_files,
)
from ssl4sar.provenance.sources import SOURCE_MEMORY, remembered


@dataclass(frozen=True)
class JobFacts:
    """What the workflow says of a job; paths count from the working directory.

    Attributes:
        rule: its rule.
        wildcards: its wildcards.
        script: the script that runs.
        project: folder of the Snakefile.
        workdir: working directory of the run.
        inputs: files and folders it reads.
        outputs: files and folders it writes, without the record.
        temporary: those of the outputs that the workflow deletes once they were used.
        record: the record to write; outputs are in or below its folder.
        cached: files and folders that it makes where there is something to make, and that the
            workflow does not delete before a rerun.
        parameters: all parameters of the rule; ``source`` is the digest it was started with.
        config: whole configuration with ``read_from``, the place where it was read.
        threads: cores.
        resources: memory, run time, GPUs.
    """

    rule: str
    wildcards: Mapping[str, str]
    script: Path
    project: Path
    workdir: Path
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    temporary: frozenset[Path]
    record: Path
    parameters: Mapping[str, Any]
    config: Mapping[str, Any]
    threads: int
    resources: Mapping[str, Any]
    cached: Sequence[Path] = ()


@dataclass(frozen=True)
class Recorder:
    """A job that has begun; ``finish`` writes its record.

    Attributes:
        facts: what Snakemake says of the job.
        inputs: what it reads.
        code: what it runs.
        started: time of its beginning.
        started_s: the same on the clock that never goes back.
        known: records of reused files that the job itself has read or found untouched, by their
            path: they are not read once more.
    """

    facts: JobFacts
    inputs: tuple[InputRecord, ...]
    code: CodeRecord
    started: datetime
    started_s: float
    known: dict[Path, FileRecord] = field(default_factory=dict)

    @classmethod
    def begin(cls, facts: JobFacts) -> Self:
        """Hash what the job reads and compare it with the records of the jobs that made it.

        Raises:
            UserError: an input is missing, is not what its maker wrote (altered, or a damaged
                entry of a shared cache), or the code changed since the workflow was started.
        """
        started, started_s = datetime.now(UTC), time.monotonic()
        records = Records()
        inputs = tuple(_read_input(path, facts, records) for path in facts.inputs)
        return cls(facts, inputs, _code(facts), started, started_s)

    def finish(self) -> JobRecord:
        """Hash what the job wrote and write the record.

        Raises:
            UserError: an output is missing, or the record cannot be written.
        """
        facts, here = self.facts, self.facts.record.parent
        cached = [path for path in facts.cached if path.exists()]
        outputs = tuple(
            _written_output(path, facts, self.known) for path in (*facts.outputs, *cached)
        )
        read_from = facts.config["read_from"]
        member = facts.wildcards.get("member", "")
        record = JobRecord(
            rule=facts.rule,
            wildcards=dict(facts.wildcards),
            study=facts.config["name"],
            seed=seed_of(member) if member.startswith("seed") else None,
            project=path_between(facts.project, here),
            workdir=path_between(facts.workdir, here),
            configuration=ConfigRecord(
                file=_place(Path(read_from["file"]), facts, facts.project),
                overrides=read_from["overrides"],
            ),
            cfg=facts.parameters["cfg"],
            parameters={k: v for k, v in facts.parameters.items() if k not in {"source", "cfg"}},
            code=self.code,
            inputs=self.inputs,
            outputs=outputs,
            versions=surroundings.versions(),
            machine=surroundings.machine(),
            cluster=surroundings.cluster(),
            threads=facts.threads,
            resources=dict(facts.resources),
            started=_iso(self.started),
            ended=_iso(datetime.now(UTC)),
            duration_s=round(time.monotonic() - self.started_s, 3),
        )
        record.write(facts.record)
        return record


def _read_input(path: Path, facts: JobFacts, records: Records) -> InputRecord:
    content = content_of(path, facts.threads)
    here = facts.record.parent
    claims, unusable = records.claims(path)
    if unusable and not claims:
        error = unusable[0]
        raise UserError(
            error.subject, error.problem, _again(Path(error.subject), None, path.parent)
        )
    fitting = [claim for claim in claims if claim.output.sha256 == content.sha256]
    if claims and not fitting:
        raise _altered(path, claims[-1], content)
    return InputRecord(
        path=_place(path, facts, here),
        folder=content.files is not None,
        bytes=content.bytes,
        sha256=content.sha256,
        maker=_maker(fitting[0], here) if fitting else None,
        # What the workflow made is listed by its maker; of the rest this is the only listing.
        files=None if fitting or content.files is None else content.listing,
    )


def _maker(claim: Claim, here: Path) -> Maker:
    return Maker(rule=claim.record.rule, record=path_between(claim.path, here), id=claim.record.id)


def _altered(path: Path, claim: Claim, content: Content) -> UserError:
    wrong = _first_difference(claim, content)
    file = path / wrong if wrong else path
    job = claim.record
    return UserError(
        file, f"its content is not what {job.job} wrote", _again(file, job.rule, path.parent)
    )


def _again(file: Path, rule: str | None, folder: Path) -> str:
    """Say how to have a file made again; a damaged entry of a shared cache must go first."""
    key = _cache_entry(file)
    if key is None:
        forced = "" if rule is None else f" with snakemake --forcerun {rule}"
        return f"remove it and make it again{forced}"
    # Snakemake stumbles over links that lead nowhere, so they must go with the entry.
    links = sorted(path for path in folder.iterdir() if _leads_to(path, key))
    gone = " ".join(shlex.quote(str(path)) for path in links)
    return (
        f"it comes from a shared cache: remove {shlex.quote(str(key))}*"
        f"{f' and {gone}' if gone else ''}, then run again"
    )


def _cache_entry(path: Path) -> Path | None:
    """Return the common start of the files of the cache entry that a path leads to."""
    real = Path(os.path.realpath(path))
    # The outermost: an entry may have got into itself.
    for place in reversed((real, *real.parents)):
        match = CACHE_KEY.match(place.name)
        if match:
            return place.with_name(match[0])
    return None


def _leads_to(path: Path, key: Path) -> bool:
    # A folder comes out of the cache as a link, or as a folder of links.
    inside = path.iterdir() if path.is_dir() and not path.is_symlink() else ()
    return any(_cache_entry(each) == key for each in (path, *inside))


def _first_difference(claim: Claim, content: Content) -> str:
    """Name the first file of a folder that differs; empty for a file."""
    if claim.output.files is None or content.files is None:
        return ""
    then, now = claim.output.files, content.listing
    return min(name for name in {*then, *now} if then.get(name) != now.get(name))


def _written_output(path: Path, facts: JobFacts, known: Mapping[Path, FileRecord]) -> OutputRecord:
    content = content_of(path, facts.threads, known)
    return OutputRecord(
        path=path_between(path, facts.record.parent),
        bytes=content.bytes,
        sha256=content.sha256,
        files=None if content.files is None else content.listing,
        temporary=path in facts.temporary,
    )


def _code(facts: JobFacts) -> CodeRecord:
    source, modules = facts.project / "src", facts.parameters.get("modules", ())
    with remembered(facts.workdir / SOURCE_MEMORY):
        files = source_files(facts.script, source, left_out=(), modules=modules)
        contents = content_digests(files)
        found_meanings = meanings(source_files(facts.script, source, modules=modules))
    digest = digest_of(found_meanings)
    if facts.parameters["source"] not in {digest, CACHED_BY_CONTENT}:
        raise UserError(
            facts.script,
            "its code, or that of a module it imports, has changed since the workflow was started",
            "start the workflow again",
        )
    found = surroundings.commit(facts.project)
    return CodeRecord(
        digest=facts.parameters["source"],
        script=path_between(facts.script, facts.project),
        files={path_between(path, facts.project): contents[name] for name, path in files.items()},
        meanings={
            path_between(files[name], facts.project): each for name, each in found_meanings.items()
        },
        workflow={
            path_between(path, facts.project): sha256_file(path)
            for path in rule_files(facts.project)
        },
        commit=None if found is None else found["commit"],
        changed=None if found is None else found["changed"],
    )


def _place(path: Path, facts: JobFacts, here: Path) -> str:
    """Return a path from ``here`` for what is in the project, an absolute one for the rest."""
    absolute = path_from(Path.cwd(), str(path))
    if absolute.is_relative_to(facts.project) or absolute.is_relative_to(facts.workdir):
        return path_between(absolute, here)
    return absolute.as_posix()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
