"""What a change should rerun, predicted from digests, parameters and file names alone.

    python tests/support/rerun_prediction.py    # writes docs/reruns.md

Nothing of Snakemake's own decision is used: the rules are read as text, their parameters and file
names are evaluated with the project's `Study`, and a rule reruns if any of them changed or if a
rule whose file it reads reruns. `test_rerun_table.py` compares that with real dry runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from itertools import groupby, product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from config_values import Values, another, leaves, with_values, write_named_files

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.provenance.digest import KEPT_BY_CONTENT, source_digest, source_files
from ssl4sar.workflow.study import FETCHING, Study, open_study

PROJECT = Path(__file__).resolve().parents[2]
MICRO = PROJECT / "tests" / "workflow" / "micro.yaml"
#: Both results: on their way lie all rules.
RESULTS = ("results/caffe_mde.json", "results/pretraining_comparison.json")
DOCUMENT = "docs/reruns.md"
#: Rules on the way to no result yet, whose jobs follow frozen inventories: test_acquisition.py.
BESIDE = ("sentinel.smk",)


@dataclass(frozen=True)
class Job:
    """The files of one job.

    Attributes:
        inputs: files whose change counts.
        ancient: files that must exist but whose change does not count.
        outputs: files it makes.
    """

    inputs: tuple[str, ...]
    ancient: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """What decides whether the jobs of a rule are up to date.

    Attributes:
        params: values of its parameters by name.
        jobs: its jobs by the values of their wildcards, of which there may be none.
    """

    params: Mapping[str, Any]
    jobs: Mapping[tuple[str, ...], Job]


#: A job by its rule and wildcards.
Node = tuple[str, tuple[str, ...]]


class _Ancient(str):
    """A file name marked with ``ancient``."""


def _flat(value: Any) -> Iterable[str]:
    if isinstance(value, str) or callable(value):
        yield value
    else:
        for item in value:
            yield from _flat(item)


def _unmarked(value: Any, *_: Any, **__: Any) -> Any:
    return value


#: What the words of the rule files mean here; a rule with a new word fails until it is added.
WORDS: Mapping[str, Any] = {
    "directory": _unmarked,
    "temp": _unmarked,
    "update": _unmarked,
    "protected": _unmarked,
    "report": _unmarked,
    "ancient": lambda value: [_Ancient(name) for name in _flat(value)],
}


class _Words:
    """A `Study` whose source digests are taken once: they cost most and no key changes them."""

    def __init__(self, study: Study, project: Path) -> None:
        self._study = study
        self._project = project

    def source(self, rule: str) -> str:
        return KEPT_BY_CONTENT if rule in FETCHING else _digest(rule, self._project)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)


@cache
def _digest(rule: str, project: Path) -> str:
    return source_digest(project / "workflow" / "scripts" / f"{rule}.py", project / "src")


def _section(block: str, name: str) -> str:
    found = re.search(rf"^    {name}:\n((?:(?:        .*)?\n)+)", block, flags=re.MULTILINE)
    return found[1] if found else ""


def rules_of(study: Study, project: Path = PROJECT) -> dict[str, Rule]:
    """Return the rules of a configuration as the files below ``project`` state them."""
    main = (project / "Snakefile").read_text(encoding="utf-8")
    files = [project / name for name in re.findall(r'^include: "(.+)"$', main, flags=re.MULTILINE)]
    done: dict[str, Rule] = {}
    named = SimpleNamespace()
    for path in files:
        words = {**WORDS, "STUDY": _Words(study, project), "rules": named}
        parts = re.split(r"^rule (\w+):\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for name, block in zip(parts[1::2], parts[2::2], strict=True):
            inputs, outputs, params = (
                eval(f"dict({_section(block, section)})", words)  # the project's own text
                for section in ("input", "output", "params")
            )
            setattr(named, name, SimpleNamespace(output=SimpleNamespace(**outputs)))
            jobs = {} if path.name in BESIDE else _jobs(name, inputs, outputs, study)
            done[name] = Rule(params, jobs)
    return done


def _jobs(
    rule: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], study: Study
) -> dict[tuple[str, ...], Job]:
    wildcards = re.findall(r"\{(\w+)\}", next(_flat(outputs.values())))
    trained = {"finetune", "predict", "evaluate_seed"}
    values = {
        "variant": sorted({study.config.pretraining.variant, *study.config.compared}),
        "task": study.config.pretext_tasks,
        "seed": study.config.seeds if rule in trained else study.pretrain_seeds,
    }
    jobs = {}
    for chosen in product(*(map(str, values[name]) for name in wildcards)):
        named = dict(zip(wildcards, chosen, strict=True))
        asked = SimpleNamespace(**named)
        read = [
            file
            for value in _flat(inputs.values())
            for file in (_flat(value(asked)) if callable(value) else [value])
        ]
        ancient = [file for file in read if isinstance(file, _Ancient)]
        jobs[chosen] = Job(
            *(
                tuple(str(file).format(**named) for file in files)
                for files in (
                    [file for file in read if not isinstance(file, _Ancient)],
                    ancient,
                    _flat(outputs.values()),
                )
            )
        )
    return jobs


def _nodes(rules: Mapping[str, Rule]) -> dict[Node, Job]:
    return {(name, key): job for name, rule in rules.items() for key, job in rule.jobs.items()}


def _makers(rules: Mapping[str, Rule]) -> dict[str, Node]:
    return {file: node for node, job in _nodes(rules).items() for file in job.outputs}


def _wanted(rules: Mapping[str, Rule], targets: Iterable[str]) -> set[Node]:
    nodes, makers = _nodes(rules), _makers(rules)
    found: set[Node] = set()
    still = {makers[file] for file in targets if file in makers}
    while still:
        node = still.pop()
        found.add(node)
        files = (*nodes[node].inputs, *nodes[node].ancient)
        still |= {makers[file] for file in files if file in makers} - found
    return found


def edges(rules: Mapping[str, Rule], targets: Iterable[str]) -> set[tuple[str, str]]:
    """Return maker and user of every file on the way to ``targets``, also of ancient ones."""
    nodes, makers = _nodes(rules), _makers(rules)
    return {
        (makers[file][0], node[0])
        for node in _wanted(rules, targets)
        for file in (*nodes[node].inputs, *nodes[node].ancient)
        if file in makers
    }


def wanted(rules: Mapping[str, Rule], targets: Iterable[str]) -> set[str]:
    """Return the rules that making ``targets`` from nothing takes."""
    return {name for name, _ in _wanted(rules, targets)}


def _closed(
    rules: Mapping[str, Rule], changed: Iterable[Node], targets: Iterable[str]
) -> set[Node]:
    nodes, needed = _nodes(rules), _wanted(rules, targets)
    rerun = set(changed) & needed
    while True:
        made = {file for node in rerun for file in nodes[node].outputs}
        more = {node for node in needed - rerun if made & set(nodes[node].inputs)}
        if not more:
            return rerun
        rerun |= more


def closed(rules: Mapping[str, Rule], changed: Iterable[str], targets: Iterable[str]) -> set[str]:
    """Return the changed rules and all that read what they make, as far as ``targets`` need."""
    nodes = [(name, key) for name in changed for key in rules[name].jobs]
    return {name for name, _ in _closed(rules, nodes, targets)}


def readers(rules: Mapping[str, Rule], file: str, targets: Iterable[str]) -> set[str]:
    """Return what reruns when the content of a file changes."""
    nodes = [node for node, job in _nodes(rules).items() if file in job.inputs]
    return {name for name, _ in _closed(rules, nodes, targets)}


def rerun_by_study(
    old: Mapping[str, Rule], new: Mapping[str, Rule], targets: Iterable[str] = RESULTS
) -> set[str]:
    """Return what reruns when the rules change from ``old``, which is finished, to ``new``."""
    finished, before = _wanted(old, targets), _nodes(old)
    changed = [
        node
        for node, job in _nodes(new).items()
        if node not in finished or job != before[node] or new[node[0]].params != old[node[0]].params
    ]
    return {name for name, _ in _closed(new, changed, targets)}


def rerun_by_values(base: Values, changes: Values, project: Path = PROJECT) -> set[str]:
    """Return what reruns when keys of the finished configuration ``base`` are changed."""
    new = open_study(with_values(base, changes), [], {}, project)
    return rerun_by_study(_rules_before(json.dumps(base), project), rules_of(new, project))


@cache
def _rules_before(base: str, project: Path) -> dict[str, Rule]:
    # The same for the changes of all keys.
    return rules_of(open_study(json.loads(base), [], {}, project), project)


@cache
def reaching(project: Path = PROJECT) -> dict[str, set[str]]:
    """Return the rules whose source digest covers a file, by file below ``project``."""
    found: dict[str, set[str]] = {}
    for script in sorted((project / "workflow" / "scripts").glob("*.py")):
        if script.stem in FETCHING:
            continue  # what they fetch is known by its content
        for path in source_files(script, project / "src").values():
            found.setdefault(path.relative_to(project).as_posix(), set()).add(script.stem)
    return found


@cache
def reached(project: Path = PROJECT) -> dict[str, set[str]]:
    """Return the rules whose jobs can run a file, whether it counts or not, by file."""
    found: dict[str, set[str]] = {}
    beside = ("ssl4sar.workflow.job", "ssl4sar.provenance")
    for script in sorted((project / "workflow" / "scripts").glob("*.py")):
        for path in source_files(script, project / "src", beside).values():
            found.setdefault(path.relative_to(project).as_posix(), set()).add(script.stem)
    return found


def rerun_by_file(base: Values) -> dict[str, set[str]]:
    """Return what reruns when a file that decides is edited, for all files that decide."""
    rules = rules_of(open_study(base, [], {}, PROJECT))
    digests = reaching()
    return {name: closed(rules, digests.get(name, ()), RESULTS) for name in deciding_files(PROJECT)}


def deciding_files(project: Path) -> list[str]:
    """Return every file of the project that Snakemake or a job reads, data apart."""
    parts = [project / "Snakefile"]
    for folder in ("workflow", "src", "config", "envs"):
        parts += sorted((project / folder).rglob("*"))
    return [
        path.relative_to(project).as_posix()
        for path in parts
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]


def micro() -> dict[str, Any]:
    """Return the smallest run with all its keys."""
    return dict(json.loads(_micro()))


@cache
def _micro() -> str:
    return study_from(read_config(MICRO), MICRO).model_dump_json()


def whole() -> dict[str, Any]:
    """Return the smallest run that also pretrains, with all its keys."""
    tasks = ["optsimmim", "opttranslator"]
    compared = ["none", "imagenet", *tasks]
    return with_values(micro(), {"pretraining.variant": tasks[1], "pretraining.compare": compared})


def pangaea() -> dict[str, Any]:
    """Return the smallest run on the official archive."""
    return with_values(whole(), {"caffe.source": "pangaea"})


def zenodo() -> dict[str, Any]:
    """Return the smallest run on the published archives for the pretraining."""
    return with_values(whole(), {"ssl4sar.source": "zenodo"})


def fetching() -> dict[str, Any]:
    """Return the smallest run that starts from fetched weights."""
    return with_values(whole(), {"model.weights": "timm"})


def base_of(key: str) -> dict[str, Any]:
    """Return a run in which a key says something: what is downloaded counts where it is used."""
    if key in DOWNLOAD_KEYS:
        return pangaea()
    if key == "ssl4sar.record_url":
        return zenodo()
    return fetching() if key.startswith("weights.") else whole()


def rerun_by_key() -> dict[str, set[str]]:
    """Return what reruns when a key changes, for every key of the configuration.

    The keys of a download count in a run that downloads, all others in the smallest run with both
    pretext tasks.
    """
    table = {}
    for key in leaves():
        base = base_of(key)
        table[key] = rerun_by_values(base, another(base, key))
    return table


#: Keys that say nothing in a run on synthetic scenes.
DOWNLOAD_KEYS = ("caffe.url", "caffe.sha256")


# The document ------------------------------------------------------------------------------------


HEADER = """\
# What reruns when

Snakemake repeats a job if its inputs, its parameters or the meaning of its code changed, and then
what reads its outputs. This page says what that comes to.

* **Texts repeat nothing.** A comment, a docstring, the wording of an error, a warning or a line of
  progress, a touched file, a fresh clone: `snakemake -n` says *Nothing to be done*. What counts of
  a module is what it computes. Modules that word errors, show progress, write files atomically, ask
  servers or keep records count nowhere, nor do comments in rule files, profiles, captions and
  environments.
* **Downloads are kept by content.** What was fetched is known by its address and checksum, whatever
  the code: no update deletes or repeats a download. Only rendered (synthetic) products depend on
  the code that renders them.
* **A training keeps its state** through every change that cannot change its numbers; the job may
  start, and then resumes or only exports.
* **A line that computes** repeats exactly the jobs that can reach it, by any import of their
  script, also an indirect one or one inside a function.

This page is generated from the rules (`python tests/support/rerun_prediction.py`); a fast test
compares it with them, a slow one finishes a small run and compares a handful of the predictions
with dry runs of Snakemake. `SSL4SAR_EVERY_RERUN=1 pytest tests/workflow/test_rerun_table.py` really
makes every change: each key, file, parameter and product.

"From `x`" means the jobs of rule `x` and all that follows from them.
"""

NOTES = """\
Some keys need a word:

* `name` is a new run: everything is made under the new name, and the old run stays.
* `seeds`: the row shows one seed dropped, which only gathers anew. A further seed also runs the
  jobs of that seed; the finished seeds are not repeated.
* `caffe.source` and `caffe.root` choose other scenes; `caffe.url` and `caffe.sha256` count in a
  run with `caffe.source: pangaea`. The slow test proves their rows up to the extracted archive,
  because a made-up archive cannot pass for the official one.
* `weights.url` and `weights.sha256` count in a run with `model.weights: timm` and no file of the
  user's; the slow test proves their rows up to the fetched file.
* `caffe.spacing_m`: the row shows one pixel size in place of another. With `null` the native tree
  is used and nothing is resampled.
* `ssl4sar.source` and `ssl4sar.root` choose other pairs; `ssl4sar.record_url` counts in a run with
  `ssl4sar.source: zenodo`. The slow test proves its row up to the extracted archives.
* `pair_scene`, `ssl4sar`, `optsimmim` and `opttranslator`: fine-tunings from other starting points
  stay, although `finetune` is among what follows. What is pretrained on goes to all that starts
  there, and nothing else.
* `pretraining.variant` and `pretraining.compare`: the rows show one starting point in place of
  another that is finished too, and one dropped, which only gathers anew. One more makes its own
  pretraining and fine-tunings first.
* `pretraining.seed` is another pretraining for all fine-tunings of its task; `own_seeds` one for
  each fine-tuning, of which that of `pretraining.seed` is there already.
* `pretraining.from_starting_weights` counts where there are some: with `model.weights: timm` both
  pretrainings and all that starts from them run again.
* `model.weights`: the row shows `none` becoming `timm`, which also adds the starting point
  `imagenet`.
* `compute`: where a job runs and on how many cores is no reason to repeat it.
"""

FILE_NOTES = """\
`extract_caffe` belongs to runs with `caffe.source: pangaea`, `render_caffe` to `synthetic`;
`extract_ssl4sar` to `ssl4sar.source: zenodo`, `render_pairs` to `synthetic`. The pretext tasks and
their data belong to runs that start from them or compare them. Rules that a run does not need do
not run.
"""


def document() -> str:
    """Return the page on reruns."""
    with TemporaryDirectory() as folder, chdir(folder):
        write_named_files(Path())
        keys, files = rerun_by_key(), rerun_by_file(whole())
        bases = (whole(), pangaea(), zenodo(), fetching())
        tables = [rerun_by_file(base) for base in bases[1:]]
        rules = [rules_of(open_study(base, [], {}, PROJECT)) for base in bases]
    sources = {
        name.removeprefix("src/ssl4sar/"): rerun.union(*(table[name] for table in tables))
        for name, rerun in files.items()
        if name.startswith("src/")
    }
    others = sorted(set(files) - {n for n in files if n.startswith(("src/", "workflow/scripts/"))})
    assert not any(files[name] for name in others)
    return (
        "\n".join(
            [
                HEADER,
                "## Keys of the configuration\n",
                *_table("key", _grouped(keys, "."), rules),
                "",
                NOTES,
                "## Source files\n",
                "A script of `workflow/scripts` repeats its rule. Files that are not listed repeat "
                "nothing.\n",
                *_table("file of `src/ssl4sar`", _grouped(sources, "/"), rules),
                "",
                FILE_NOTES,
            ]
        ).rstrip("\n")
        + "\n"
    )


def _grouped(table: Mapping[str, set[str]], separator: str) -> list[tuple[str, set[str]]]:
    """Join neighbours of one folder or block that rerun the same rules into one row."""
    rows = []
    for parent, names in groupby(table, key=lambda name: name.rpartition(separator)[0]):
        members = list(names)
        kinds = {frozenset(table[name]) for name in members}
        for rerun in sorted(kinds, key=lambda rules: (-len(rules), sorted(rules))):
            same = [n for n in members if table[n] == rerun]
            rows.append((_title(parent, same, len(members), separator), set(rerun)))
    return rows


def _title(parent: str, same: Sequence[str], total: int, separator: str) -> str:
    if parent and len(same) == total > 1:
        return f"`{parent}{separator}*`"
    names = [name.rpartition(separator)[2] for name in same]
    return (f"`{parent}{separator}`: " if parent else "") + ", ".join(f"`{n}`" for n in names)


def _table(
    title: str, rows: Iterable[tuple[str, set[str]]], rules: Sequence[Mapping[str, Rule]]
) -> Iterable[str]:
    yield f"| {title} | runs again |"
    yield "|---|---|"
    nothing = []
    for name, rerun in rows:
        if rerun:
            yield f"| {name} | {_from(rerun, rules)} |"
        else:
            nothing.append(name)
    if title == "key":
        yield f"| {', '.join(nothing)} | nothing |"


def _from(rerun: set[str], rules: Sequence[Mapping[str, Rule]]) -> str:
    """Say in few words which rules rerun: the first of them, if the others follow from these."""
    pairs = {pair for each in rules for pair in edges(each, RESULTS)}
    follows = {rule: {user for maker, user in pairs if maker == rule} for rule in rerun}
    first = sorted(rerun - set().union(*follows.values()))
    reached, still = set(first), list(first)
    while still:
        more = follows.get(still.pop(), set()) & rerun - reached
        reached |= more
        still += more
    everything = set(first)
    still = list(first)
    while still:
        more = {user for maker, user in pairs if maker == still[-1]} - everything
        still.pop()
        everything |= more
        still += more
    named = ", ".join(f"`{rule}`" for rule in first)
    if rerun == set(first):
        return named
    left_out = sorted(everything - rerun)
    without = " without " + ", ".join(f"`{rule}`" for rule in left_out) if left_out else ""
    return f"from {named}{without}"


if __name__ == "__main__":
    (PROJECT / DOCUMENT).write_text(document(), encoding="utf-8")
