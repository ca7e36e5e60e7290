"""An audit and a comparison as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from ssl4sar.config.keys import leaves
from ssl4sar.core.printing import console as safe_console
from ssl4sar.core.wording import counted, printable
from ssl4sar.provenance.chain import Node
from ssl4sar.provenance.digest import CACHED_BY_CONTENT
from ssl4sar.provenance.findings import Audit, shown
from ssl4sar.provenance.record import InputRecord, JobRecord, OutputRecord

_SHORT: Final = 12
#: Wider than most terminals only where nobody looks: in files and pipes.
_FILE_WIDTH: Final = 160


def print_audit(audit: Audit, console: Console | None = None) -> None:
    """Print the tree of jobs, then notes, problems and the verdict.

    Args:
        audit: what was found.
        console: where to print; the standard output by default.
    """
    console = console or _console()
    common = audit.chain.root.record.versions
    console.print(_TreeOfJobs(common, _faults(audit)).branch(audit.chain.root))

    def line(text: str, style: str = "") -> None:
        console.print(printable(text), style=style, highlight=False, markup=False)

    line(f"versions: {_pairs(common)}")
    for note in audit.notes:
        line(f"note: {note}")
    for problem in audit.problems:
        line(f"{problem.kind}: {problem.subject}: {problem.message}", "red")
    line(_verdict(audit), "bold")


def audit_json(audit: Audit) -> dict[str, Any]:
    """Return an audit as plain values, jobs upstream first."""
    return {
        "holds": audit.holds,
        "files": audit.files,
        "bytes_hashed": audit.bytes,
        "problems": [
            {"kind": p.kind, "subject": p.subject, "message": p.message, "jobs": list(p.jobs)}
            for p in audit.problems
        ],
        "notes": audit.notes,
        "jobs": [
            {"record": shown(node.claim.path), "id": node.record.id}
            | node.record.model_dump(mode="json")
            for node in reversed(audit.chain.nodes)
        ],
    }


def _console() -> Console:
    found = safe_console()
    return found if found.is_terminal else safe_console(width=_FILE_WIDTH)


def _shown_line(text: str) -> str:
    """Return a line of the tree: what records hold is neither markup nor a command."""
    return escape(printable(text))


def _faults(audit: Audit) -> set[str]:
    return {job for problem in audit.problems for job in problem.jobs}


def _verdict(audit: Audit) -> str:
    jobs, files = len(audit.chain.nodes), audit.files
    size = f"{audit.bytes / 1e9:.1f} GB" if audit.bytes >= 1e9 else f"{audit.bytes / 1e6:.1f} MB"
    looked = f"{files} files of {jobs} jobs, {size} hashed"
    start = "everything holds" if audit.holds else counted(len(audit.problems), "problem")
    return f"{start}: {looked}"


class _TreeOfJobs:
    """Draws every job once, and long parameter lists once per rule."""

    def __init__(self, common: Mapping[str, str], faults: set[str]) -> None:
        self._common = common
        self._faults = faults
        self._seen: set[Path] = set()
        self._first_job: dict[str, str] = {}

    def branch(self, node: Node) -> Tree:
        """Return the tree of a job and what it came from."""
        record = node.record
        style = "red" if record.job in self._faults else "green"
        head = f"[bold {style}]{_shown_line(record.job)}[/]"
        if node.claim.path in self._seen:
            return Tree(f"{head} (above)")
        self._seen.add(node.claim.path)
        tree = Tree("\n".join([head, *(_shown_line(line) for line in self._lines(node))]))
        children: set[Path] = set()
        for read, maker in node.inputs:
            if maker is None:
                tree.add(_shown_line(_outside(node, read)))
            elif maker.claim.path not in children:
                children.add(maker.claim.path)
                tree.add(self.branch(maker))
        return tree

    def _lines(self, node: Node) -> list[str]:
        record = node.record
        lines = [_ran(record), _code(record)]
        if record.cfg:
            parameters = _pairs(leaves(record.cfg))
            first = self._first_job.setdefault(parameters, record.job)
            lines.append(f"parameters: {parameters if first == record.job else f'as in {first}'}")
        other = {k: v for k, v in record.versions.items() if self._common.get(k) != v}
        if other:
            lines.append(f"other versions: {_pairs(other)}")
        return [*lines, *(f"wrote {_described(node, output)}" for output in record.outputs)]


def _ran(record: JobRecord) -> str:
    device = ", ".join(record.machine.get("devices", [])) or "cpu"
    slurm = f", SLURM job {record.cluster.get('slurm_job_id')}" if record.cluster else ""
    seed = "" if record.seed is None else f", seed {record.seed}"
    return (
        f"run {record.study}, {record.started[:19]} to {record.ended[:19]} UTC "
        f"({record.duration_s:.1f} s), {record.machine.get('host')}, {device}{slurm}{seed}"
    )


def _code(record: JobRecord) -> str:
    code = record.code
    state = "" if code.commit is None else f", commit {code.commit[:_SHORT]}"
    if code.changed:
        state += " with changes"
    digest = code.digest if code.digest == CACHED_BY_CONTENT else code.digest[:_SHORT]
    return f"code {digest} ({len(code.files)} files{state})"


def _outside(node: Node, entry: InputRecord) -> str:
    origin = "from outside" if entry.maker is None else "the record of its maker is missing"
    return f"{_described(node, entry)} ({origin})"


def _described(node: Node, entry: InputRecord | OutputRecord) -> str:
    files = "" if entry.files is None else f", {len(entry.files)} files"
    path = shown(node.path_of(entry))
    return f"{path} ({entry.bytes:,} bytes{files}) sha256 {entry.sha256[:_SHORT]}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )
