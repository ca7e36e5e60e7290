"""Every file that may come from somebody else, given to its reader in the worst forms."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.orbits.file import OrbitRecord
from ssl4sar.acquire.safe.decoding import decoding_problem
from ssl4sar.acquire.stamps import _read as read_stamps
from ssl4sar.config.loading import read_config, study_from
from ssl4sar.core.cached_file import _origin
from ssl4sar.core.errors import UserError
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.dataset.store import Store
from ssl4sar.evaluate.scores_file import read_baselines, read_scores
from ssl4sar.evaluate.trained_models import read_training_record
from ssl4sar.provenance.record import JobRecord
from ssl4sar.train.finetune.finetune_launch import _pretraining
from ssl4sar.workflow.fingerprint import _remembered

#: By what it holds: nested 400 and 100,000 deep, a number beyond floats, half a character, no text.
HOSTILE = {
    "deep": b'{"schema": ' + b"[" * 400 + b"]" * 400 + b"}",
    "bottomless": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "infinite": b'{"schema": 1e999}',
    "not a number": b'{"schema": NaN}',
    "half": b'{"schema": "\\ud800"}',
    "latin": b'{"schema": "\xe9"}',
    "escapes": b'{"schema": "\x1b]0;owned\x07"}',
}
#: Readers that say what is wrong.
STRICT: dict[str, Callable[[Path], object]] = {
    "record": JobRecord.read,
    "tree": TreeManifest.read,
    "pairs": PairManifest.read,
    "product": FetchRecord.read,
    "orbit": OrbitRecord.read,
    "scores": read_scores,
    "baselines": read_baselines,
    "training": read_training_record,
    "pretraining": lambda path: _pretraining(path, "none.ckpt"),
}
#: Readers of what only spares work: a damaged file counts as none.
LENIENT: dict[str, Callable[[Path], object]] = {
    "fingerprints": _remembered,
    "stamps": read_stamps,
    "origin of a cached file": _origin,
}


def short_line(error: UserError) -> bool:
    return len(str(error)) < 500 and str(error).isprintable()


@pytest.mark.parametrize("content", HOSTILE)
@pytest.mark.parametrize("reader", STRICT)
def test_a_hostile_file_is_one_short_line(tmp_path: Path, reader: str, content: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(HOSTILE[content])
    with pytest.raises(UserError) as caught:
        STRICT[reader](path)
    assert short_line(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", HOSTILE)
@pytest.mark.parametrize("store", [Store, PairStore])
def test_a_hostile_index_is_one_short_line(tmp_path: Path, store, content: str) -> None:
    (tmp_path / "index.json").write_bytes(HOSTILE[content])
    with pytest.raises(UserError) as caught:
        store.open(tmp_path)
    assert short_line(caught.value)


@pytest.mark.parametrize("content", sorted(set(HOSTILE) - {"escapes"}))
@pytest.mark.parametrize("reader", LENIENT)
def test_a_hostile_note_counts_as_none(tmp_path: Path, reader: str, content: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(HOSTILE[content])
    assert not LENIENT[reader](path)


@pytest.mark.parametrize("content", sorted(set(HOSTILE) - {"escapes"}))
def test_a_hostile_file_of_a_product_is_not_whole(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tileinfo.json"
    path.write_bytes(HOSTILE[content])
    assert "JSON" in (decoding_problem(path) or "")


@pytest.mark.parametrize("reader", STRICT)
def test_a_file_of_gigabytes_is_not_read(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "file.json"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)
    with pytest.raises(UserError) as caught:
        STRICT[reader](path)
    assert reader in {"product", "orbit"} or "longer than 64 MB" in str(caught.value)


def bomb(kind: str) -> str:
    """A few lines of YAML with a billion entries, its first key is of a configuration."""
    names = "bcdefghij"
    lines = {
        "list": ["seeds: &b [x, x, x, x, x, x, x, x, x, x]"],
        "block": ["training: &b {k0: x, k1: x, k2: x, k3: x, k4: x, k5: x, k6: x, k7: x}"],
    }[kind]
    for before, name in pairwise(names):
        entries = [f"*{before}"] * 10
        if kind == "block":
            entries = [f"k{place}: {entry}" for place, entry in enumerate(entries)]
        inside = ", ".join(entries)
        lines.append(f"{name}: &{name} " + (f"[{inside}]" if kind == "list" else f"{{{inside}}}"))
    lines.append("optsimmim: *j" if kind == "block" else "name: *j")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (bomb("list"), "aliases"),
        (bomb("block"), "aliases"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested more than"),
        ("a: 1\n" * 300_000, "longer than 1 MB"),
        ("a: &a [*a]", "holds itself"),
        ("a: \x1b[2J", "not YAML"),
    ],
)
def test_a_hostile_configuration_is_one_short_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        read_config(path)
    assert short_line(caught.value)


PARSED_ELSEWHERE = """
import resource, sys, yaml
resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))
from pathlib import Path
from ssl4sar.core.cached_file import _origin
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.study import default_config, open_study
project, *paths = map(Path, sys.argv[1:])
for path in paths:
    values = yaml.safe_load(path.open())
    for what in (
        lambda: open_study(values, [Path("study.yaml")], {}, project),
        lambda: open_study({}, [], values, project),
        lambda: default_config(project, values),
    ):
        try:
            what()
        except UserError as error:
            print(error)
"""


@pytest.mark.slow
def test_a_bomb_that_snakemake_has_loaded_is_one_short_line(tmp_path: Path) -> None:
    text = f"name: &a {'x' * 900_000}\nseeds: [{', '.join(['*a'] * 20_000)}]\n"
    paths = [tmp_path / name for name in ("list.yaml", "block.yaml", "text.yaml")]
    for path, content in zip(paths, (bomb("list"), bomb("block"), text), strict=True):
        path.write_text(content)
    project = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PARSED_ELSEWHERE, str(project), *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(lines) == 3 * len(paths)
    assert all("aliases are written out" in line and len(line) < 300 for line in lines)


def test_a_wrong_value_is_shown_in_part_and_wrong_keys_are_counted() -> None:
    with pytest.raises(UserError) as caught:
        study_from({"name": "x", "seeds": "y" * 50_000}, "study.yaml")
    assert len(str(caught.value)) < 400
    with pytest.raises(UserError, match="and 94 more") as caught:
        study_from({"name": "x", **{f"key{n}": n for n in range(100)}}, "study.yaml")
    assert "key0" in str(caught.value)
