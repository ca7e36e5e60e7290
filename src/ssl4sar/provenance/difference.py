"""Why two results differ: their chains laid side by side, job by job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Literal

from ssl4sar.config.keys import leaves
from ssl4sar.core.errors import UserError
from ssl4sar.provenance.chain import Chain, Node
from ssl4sar.provenance.findings import listed

Kind = Literal["job", "wildcard", "config", "parameter", "code", "input", "version", "surroundings"]
#: What may change a result by itself; the rest explains only the last bits.
_CAUSES: Final = ("job", "wildcard", "config", "code", "input", "version")
_NOTHING: Final = "none"
_DIGITS: Final = 12


@dataclass(frozen=True)
class Difference:
    """One thing that differs between two jobs.

    Attributes:
        kind: what kind of thing.
        subject: key, file or library.
        one: its value in the first job.
        other: its value in the second.
    """

    kind: Kind
    subject: str
    one: str
    other: str


@dataclass(frozen=True)
class JobPair:
    """Two jobs of the same rule in the same position of their chains.

    Attributes:
        one: the first job, in words.
        other: the second.
        differences: what differs between them, results of other jobs excepted.
        follows: jobs of which they read different results.
        different_outputs: outputs of other content, by their names in the first job.
        matters: whether the compared files, or jobs behind them, come from a different output.
    """

    one: str
    other: str
    differences: tuple[Difference, ...]
    follows: tuple[str, ...]
    different_outputs: tuple[str, ...]
    matters: bool

    @property
    def name(self) -> str:
        """Both jobs in words."""
        return self.one if self.one == self.other else f"{self.one} | {self.other}"


@dataclass(frozen=True)
class Comparison:
    """Two chains side by side.

    Attributes:
        pairs: pairs of jobs, upstream first.
        equal: whether the two files have the same content.
        same_job: whether one job wrote both.
    """

    pairs: tuple[JobPair, ...]
    equal: bool
    same_job: bool

    @property
    def causes(self) -> tuple[JobPair, ...]:
        """The pairs where different results begin: not, or not only, in what they read."""
        return tuple(
            pair
            for pair in self.pairs
            if pair.matters
            and (not pair.follows or any(d.kind in _CAUSES for d in pair.differences))
        )


def compare_chains(one: Chain, other: Chain, equal: bool) -> Comparison:
    """Compare the chains of two files job by job.

    Jobs are paired from the results upwards: by rule and wildcards, and where wildcards differ
    (another seed, say) in order.

    Args:
        one: the records of a file.
        other: the records of another file.
        equal: whether the two files have the same content.

    Raises:
        UserError: they were made by different rules, so that nothing can be compared.
    """
    rules = one.root.record.rule, other.root.record.rule
    if rules[0] != rules[1]:
        raise UserError(
            " and ".join(rules),
            "the two files were made by different rules",
            "compare files of the same rule, e.g. the results of two runs",
        )
    pairs: dict[tuple[Path, Path], JobPair] = {}
    _pair(one.root, other.root, not equal, pairs)
    same_job = one.root.claim.path == other.root.claim.path
    return Comparison(tuple(pairs.values()), equal, same_job)


def difference_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values."""
    return {
        "equal": comparison.equal,
        "same_job": comparison.same_job,
        "causes": [pair.name for pair in comparison.causes],
        "jobs": [
            {
                "one": pair.one,
                "other": pair.other,
                "different_outputs": list(pair.different_outputs),
                "follows": list(pair.follows),
                "differences": [vars(difference) for difference in pair.differences],
            }
            for pair in comparison.pairs
        ],
    }


def difference_lines(comparison: Comparison, one: str, other: str) -> Iterator[str]:
    """Yield a comparison for people: what differs in every pair of jobs, then where it begins."""
    yield f"one:   {one}"
    yield f"other: {other}"
    for pair in comparison.pairs:
        outputs = ", ".join(pair.different_outputs)
        if not outputs and not pair.differences:
            continue
        yield f"{pair.name}: {f'different {outputs}' if outputs else 'same outputs'}"
        for found in pair.differences:
            yield f"  {found.kind} {found.subject}: {found.one} | {found.other}"
        if pair.follows:
            yield f"  read different results of {', '.join(pair.follows)}"
    yield _verdict(comparison)


def _verdict(comparison: Comparison) -> str:
    if comparison.equal:
        return "the two files have the same content"
    if comparison.same_job:
        return f"they are different outputs of the same job, {comparison.pairs[-1].name}"
    return "they differ, and it begins with " + "; ".join(map(_cause, comparison.causes))


def _cause(pair: JobPair) -> str:
    found = [f"{d.kind} {d.subject}" for d in pair.differences if d.kind in _CAUSES]
    if found:
        return f"{pair.name} ({listed(found)})"
    return (
        f"{pair.name} (nothing recorded explains its {', '.join(pair.different_outputs)}: measured "
        "times, or a job that does not repeat bit by bit, as on a GPU or with other threads)"
    )


def _pair(
    one: Node, other: Node, matters: bool, pairs: dict[tuple[Path, Path], JobPair]
) -> JobPair:
    key = (one.claim.path, other.claim.path)
    if key in pairs:
        # Reached by a second way, which may be the one that makes it matter.
        pairs[key] = replace(pairs[key], matters=pairs[key].matters or matters)
        return pairs[key]
    follows: list[str] = []
    missing: list[Difference] = []
    for mine, theirs in _children(one, other):
        if mine is not None and theirs is not None:
            # What was read counts: a table of times that nobody reads explains nothing.
            differs = _read(one, mine) != _read(other, theirs)
            below = _pair(mine, theirs, matters and differs, pairs)
            if differs:
                follows.append(below.name)
            continue
        for node, is_mine in ((mine, True), (theirs, False)):
            if node is not None:
                job = node.record.job
                values = (job, _NOTHING) if is_mine else (_NOTHING, job)
                missing.append(Difference("job", node.record.rule, *values))
    pairs[key] = JobPair(
        one.record.job,
        other.record.job,
        (*missing, *_differences(one, other)),
        tuple(follows),
        _different_outputs(one, other),
        matters,
    )
    return pairs[key]


def _read(node: Node, maker: Node) -> list[str]:
    return [entry.sha256 for entry, made_by in node.inputs if made_by is maker]


def _children(one: Node, other: Node) -> Iterator[tuple[Node | None, Node | None]]:
    mine, theirs = _makers(one), _makers(other)
    for rule in dict.fromkeys([*mine, *theirs]):
        left, right = mine.get(rule, {}), theirs.get(rule, {})
        shared = [job for job in left if job in right]
        yield from ((left[job], right[job]) for job in shared)
        rest_left = [node for job, node in left.items() if job not in shared]
        rest_right = [node for job, node in right.items() if job not in shared]
        yield from zip_longest(rest_left, rest_right)


def _makers(node: Node) -> dict[str, dict[str, Node]]:
    makers: defaultdict[str, dict[str, Node]] = defaultdict(dict)
    for _, maker in node.inputs:
        if maker is not None:
            makers[maker.record.rule][maker.record.job] = maker
    return makers


def _different_outputs(one: Node, other: Node) -> tuple[str, ...]:
    # The name of a run is part of paths, not of what they hold; the order of a rule is fixed.
    compared = zip_longest(one.record.outputs, other.record.outputs)
    return tuple(
        Path(mine.path).name
        for mine, theirs in compared
        if mine is not None and (theirs is None or mine.sha256 != theirs.sha256)
    )


def _differences(one: Node, other: Node) -> Iterator[Difference]:
    a, b = one.record, other.record
    yield from _compare("wildcard", a.wildcards, b.wildcards)
    yield from _compare("config", leaves(a.cfg), leaves(b.cfg))
    yield from _compare("parameter", leaves(a.parameters), leaves(b.parameters))
    yield from _compare("code", _short(a.code.files), _short(b.code.files))
    yield from _compare("input", _external(one), _external(other))
    yield from _compare("version", a.versions, b.versions)
    yield from _compare("surroundings", _surroundings(one), _surroundings(other))


def _compare(kind: Kind, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Difference]:
    for key in dict.fromkeys([*one, *other]):
        mine, theirs = one.get(key, _NOTHING), other.get(key, _NOTHING)
        if mine != theirs:
            yield Difference(kind, key, str(mine), str(theirs))


def _short(files: Mapping[str, str]) -> dict[str, str]:
    return {file: sha256[:_DIGITS] for file, sha256 in files.items()}


def _external(node: Node) -> dict[str, str]:
    """Return what came from outside, a folder file by file."""
    found: dict[str, str] = {}
    for entry, _ in node.inputs:
        if entry.maker is None:
            files = entry.files or {Path(entry.path).name: (entry.bytes, entry.sha256)}
            found.update({name: sha256[:_DIGITS] for name, (_, sha256) in files.items()})
    return found


def _surroundings(node: Node) -> dict[str, str]:
    record = node.record
    return {
        "devices": ", ".join(record.machine.get("devices", [])),
        "threads": str(record.threads),
        "host": str(record.machine.get("host")),
        "system": str(record.machine.get("system")),
    }
