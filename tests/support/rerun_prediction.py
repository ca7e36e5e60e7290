"""What a change should rerun, predicted from digests, parameters and file names alone.

    python tests/support/rerun_prediction.py    # writes docs/reruns.md

Nothing of Snakemake's own decision is used: the rules are read as text, their parameters and file
names are evaluated with the project's `Study`, and a rule reruns if any of them changed or if a
rule whose file it reads reruns. `test_rerun_table.py` compares that with real dry runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from config_values import Values, another, leaves, with_values, write_named_files

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.provenance.digest import source_digest, source_files
from ssl4sar.workflow.study import Study, open_study

PROJECT = Path(__file__).resolve().parents[2]
MICRO = PROJECT / "tests" / "workflow" / "micro.yaml"
RESULT = "results/caffe_mde.json"
DOCUMENT = "docs/reruns.md"


@dataclass(frozen=True)
class Rule:
    """What decides whether the jobs of a rule are up to date.

    Attributes:
        inputs: files whose change counts; a wildcard stands as ``{name}``.
        ancient: files that must exist but whose change does not count.
        outputs: files it makes.
        params: values of its parameters by name.
        jobs: values of its wildcards, one per job; empty for a rule without wildcards.
    """

    inputs: tuple[str, ...]
    ancient: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[str, Any]
    jobs: frozenset[int]


class _Ancient(str):
    """A file name marked with ``ancient``."""


def _flat(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    else:
        for item in value:
            yield from _flat(item)


def _expand(pattern: str, **wildcards: Iterable[Any]) -> list[str]:
    ((name, values),) = wildcards.items()
    return [pattern.replace(f"{{{name}}}", str(value)) for value in values]


def _unmarked(value: Any, *_: Any, **__: Any) -> Any:
    return value


#: What the words of the rule files mean here; a rule with a new word fails until it is added.
WORDS: Mapping[str, Any] = {
    "directory": _unmarked,
    "temp": _unmarked,
    "protected": _unmarked,
    "report": _unmarked,
    "expand": _expand,
    "ancient": lambda value: [_Ancient(name) for name in _flat(value)],
}


class _Words:
    """A `Study` whose source digests are taken once: they cost most and no key changes them."""

    def __init__(self, study: Study, project: Path) -> None:
        self._study = study
        self._project = project

    def source(self, rule: str) -> str:
        return _digest(rule, self._project)

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
            files_in, files_out = list(_flat(inputs.values())), tuple(_flat(outputs.values()))
            wildcards = {w for file in files_out for w in re.findall(r"\{(\w+)\}", file)}
            assert wildcards <= {"seed"}, f"{name}: which values has {wildcards}?"
            done[name] = Rule(
                inputs=tuple(str(file) for file in files_in if not isinstance(file, _Ancient)),
                ancient=tuple(str(file) for file in files_in if isinstance(file, _Ancient)),
                outputs=files_out,
                params=params,
                jobs=frozenset(study.config.seeds if wildcards else ()),
            )
    return done


def _makes(rule: Rule, file: str) -> bool:
    patterns = (re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(output)) for output in rule.outputs)
    return any(re.fullmatch(pattern, file) for pattern in patterns)


def _makers(rules: Mapping[str, Rule], files: Iterable[str]) -> set[str]:
    return {name for file in files for name, rule in rules.items() if _makes(rule, file)}


def edges(rules: Mapping[str, Rule], target: str) -> set[tuple[str, str]]:
    """Return maker and user of every file on the way to ``target``, also of ancient ones."""
    needed = wanted(rules, target)
    return {
        (maker, name)
        for name in needed
        for maker in _makers(rules, (*rules[name].inputs, *rules[name].ancient))
    }


def wanted(rules: Mapping[str, Rule], target: str) -> set[str]:
    """Return the rules that making ``target`` from nothing takes."""
    found: set[str] = set()
    still = _makers(rules, [target])
    while still:
        name = still.pop()
        found.add(name)
        still |= _makers(rules, (*rules[name].inputs, *rules[name].ancient)) - found
    return found


def closed(rules: Mapping[str, Rule], changed: Iterable[str], target: str) -> set[str]:
    """Return the changed rules and all that read what they make, as far as ``target`` needs."""
    needed = wanted(rules, target)
    rerun = set(changed) & needed
    while True:
        more = {name for name in needed - rerun if _makers(rules, rules[name].inputs) & rerun}
        if not more:
            return rerun
        rerun |= more


def rerun_by_study(
    old: Mapping[str, Rule], new: Mapping[str, Rule], target: str = RESULT
) -> set[str]:
    """Return what reruns when the rules change from ``old``, which is finished, to ``new``."""
    finished = wanted(old, target)
    changed = {
        name
        for name, rule in new.items()
        if name not in finished
        or _names(rule) != _names(old[name])
        or rule.params != old[name].params
        or rule.jobs - old[name].jobs
    }
    return closed(new, changed, target)


def _names(rule: Rule) -> tuple[tuple[str, ...], ...]:
    return rule.inputs, rule.ancient, rule.outputs


def rerun_by_values(
    base: Values, changes: Values, target: str = RESULT, project: Path = PROJECT
) -> set[str]:
    """Return what reruns when keys of the finished configuration ``base`` are changed."""
    old = open_study(base, [], {}, project)
    new = open_study(with_values(base, changes), [], {}, project)
    return rerun_by_study(rules_of(old, project), rules_of(new, project), target)


def reaching(project: Path = PROJECT) -> dict[str, set[str]]:
    """Return the rules whose source digest covers a file, by file below ``project``."""
    found: dict[str, set[str]] = {}
    for script in sorted((project / "workflow" / "scripts").glob("*.py")):
        for path in source_files(script, project / "src").values():
            found.setdefault(path.relative_to(project).as_posix(), set()).add(script.stem)
    return found


def rerun_by_file(base: Values, target: str = RESULT) -> dict[str, set[str]]:
    """Return what reruns when a file that decides is edited, for all files that decide."""
    rules = rules_of(open_study(base, [], {}, PROJECT))
    digests = reaching()
    return {name: closed(rules, digests.get(name, ()), target) for name in deciding_files(PROJECT)}


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
    return study_from(read_config(MICRO), MICRO).model_dump(mode="json")


def pangaea() -> dict[str, Any]:
    """Return the smallest run on the official archive."""
    return with_values(micro(), {"caffe.source": "pangaea"})


def fetching() -> dict[str, Any]:
    """Return the smallest run that starts from fetched weights."""
    return with_values(micro(), {"model.weights": "timm"})


def base_of(key: str) -> dict[str, Any]:
    """Return a run in which a key says something: what is downloaded counts where it is used."""
    if key in DOWNLOAD_KEYS:
        return pangaea()
    return fetching() if key.startswith("weights.") else micro()


def rerun_by_key() -> dict[str, set[str]]:
    """Return what reruns when a key changes, for every key of the configuration.

    The keys of a download count in a run that downloads, all others in the smallest run.
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

Which rules run again when a key of the configuration or a source file changes, everything else
being finished. An empty row means: nothing runs again.

This page is generated from the rules (`python tests/support/rerun_prediction.py`). A fast test
compares it with the sources. A slow one (`pytest tests/workflow/test_rerun_table.py`) finishes a
small run and then really changes **every** key, **every** file below `src`, `workflow`, `config`
and `envs`, the parameters of **every** rule and the content of **every** product, one after the
other; each time Snakemake's own dry run must plan exactly the rules that are predicted here.

Columns: {columns}.
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
* `compute`: where a job runs and on how many cores is no reason to repeat it.
"""

FILE_NOTES = """\
A file is reached through any import of a rule's script, also an indirect one or one inside a
function. `workflow/job.py` and `provenance` surround every job and cannot change its outcome, so
they belong to no digest. Touching a file, a fresh clone and a comment in a rule file, a profile, a
caption or an environment rerun nothing.

`download_caffe` and `extract_caffe` belong to runs with `caffe.source: pangaea`, `render_caffe` to
`synthetic`, `fetch_weights` to `model.weights: timm`; rules that a run does not need do not run.
"""


def document() -> str:
    """Return the page on reruns."""
    with TemporaryDirectory() as folder, chdir(folder):
        write_named_files(Path())
        keys, files = rerun_by_key(), rerun_by_file(micro())
        downloading = [rerun_by_file(pangaea()), rerun_by_file(fetching())]
    rules = list(rules_of(open_study(pangaea(), [], {}, PROJECT)))
    letters = {name: str(number) for number, name in enumerate(rules, start=1)}
    columns = ", ".join(f"{number} `{name}`" for name, number in letters.items())
    sources = {
        name.removeprefix("src/ssl4sar/"): rerun.union(*(table[name] for table in downloading))
        for name, rerun in files.items()
        if name.startswith("src/") or name.startswith("workflow/scripts/")
    }
    others = sorted(set(files) - {n for n in files if n.startswith(("src/", "workflow/scripts/"))})
    assert not any(files[name] for name in others)
    return (
        "\n".join(
            [
                HEADER.format(columns=columns),
                "## Keys of the configuration\n",
                *_table("key", _grouped(keys, "."), rules, letters),
                "",
                NOTES,
                "## Source files\n",
                *_table("file of `src/ssl4sar`, or script", _grouped(sources, "/"), rules, letters),
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
    title: str,
    rows: Iterable[tuple[str, set[str]]],
    rules: Sequence[str],
    letters: Mapping[str, str],
) -> Iterable[str]:
    yield f"| {title} | " + " | ".join(letters[rule] for rule in rules) + " |"
    yield "|---|" + ":-:|" * len(rules)
    for name, rerun in rows:
        yield f"| {name} | " + " | ".join("●" if r in rerun else "" for r in rules) + " |"


if __name__ == "__main__":
    (PROJECT / DOCUMENT).write_text(document(), encoding="utf-8")
