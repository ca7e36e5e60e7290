"""The proof of the rerun table: changes are made, and Snakemake plans what was predicted.

Keys of the configuration, files that decide, parameters of rules and contents of products are
changed one at a time on a finished run. The predictions are in `rerun_prediction.py`; here they are
compared with real dry runs: one or two of each stage, and all that reruns nothing in one.

    SSL4SAR_EVERY_RERUN=1 pytest tests/workflow/test_rerun_table.py

is the long form (about a quarter of an hour on two cores): every key, file, parameter and product.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from config_values import another, leaves, with_values, write_named_files
from pydantic import ValidationError
from rerun_prediction import (
    RESULTS,
    Rule,
    closed,
    deciding_files,
    edges,
    fetching,
    pangaea,
    reaching,
    readers,
    rerun_by_study,
    rules_of,
    wanted,
    whole,
    zenodo,
)
from safetensors.numpy import save_file

from ssl4sar.config.study import StudyConfig
from ssl4sar.core.hashing import file_digests, sha256_file
from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS
from ssl4sar.workflow.study import (
    EXTRACTED_LISTING,
    EXTRACTED_PAIRS,
    FETCHED_WEIGHTS,
    open_study,
)

PROJECT = Path(__file__).resolve().parents[2]

EVERY = os.environ.get("SSL4SAR_EVERY_RERUN") == "1"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if EVERY else 300)]

#: The changes that stand for all others, by their names.
FEW = {
    # Keys, from the data to the results.
    "scene.extent_km",
    "caffe.validation_seed",
    "ssl4sar.optical_scale",
    "opttranslator.epochs",
    "training.epochs",
    "prediction.stride_px",
    "pretraining.variant",
    "seeds: one more",
    # Files.
    "src/ssl4sar/synthetic/sar.py",
    "src/ssl4sar/train/finetune/losses.py",
    # A parameter of a rule.
    "evaluate_seed: a parameter",
    # Products.
    "runs/micro/store/images.u8",
    "runs/micro/pretrain/optsimmim/seed0/model.ckpt",
    # Of the runs on downloads.
    "caffe.url",
    "caffe.sha256",
    "workflow/scripts/extract_caffe.py",
    "ssl4sar.record_url",
    "src/ssl4sar/acquire/ssl4sar.py",
    "weights.url",
    "weights.sha256",
}
#: How the change begins that makes all at once that reruns nothing.
IDLE = "all of "

PROCESSES = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Change:
    """A change of the finished run.

    Attributes:
        name: what is changed, for the reader of a failure.
        expected: rules that are predicted to rerun.
        values: keys of the configuration with their new values.
        edits: new contents of files of the project; null: a line is added.
    """

    name: str
    expected: set[str]
    values: Mapping[str, Any] = field(default_factory=dict)
    edits: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """A finished run in a copy of the project.

    Attributes:
        root: the copy.
        base: its configuration.
        targets: what was made.
    """

    root: Path
    base: Mapping[str, Any]
    targets: tuple[str, ...]

    def rules(self, values: Mapping[str, Any] | None = None) -> dict[str, Rule]:
        """Return the rules of the run, or of one with some values changed."""
        with chdir(self.root):
            study = open_study(with_values(self.base, values or {}), [], {}, self.root)
            return rules_of(study, self.root)

    def planned(self, changes: Iterable[Change], folder: Path) -> dict[str, set[str] | str]:
        """Return what Snakemake plans to run after each change alone, by the change's name.

        The changes are dealt to processes that work on copies of their own below ``folder``.
        """
        dealt = list(changes)
        with ThreadPoolExecutor(PROCESSES) as pool:
            parts = pool.map(
                lambda n: self._planned(dealt[n::PROCESSES], folder / f"{n}"), range(PROCESSES)
            )
        return {name: rules for part in parts for name, rules in part.items()}

    def _planned(self, changes: list[Change], root: Path) -> dict[str, set[str] | str]:
        shutil.copytree(self.root, root, symlinks=True)
        requests = []
        for number, change in enumerate(changes):
            config = root / "config" / f"change{number}.yaml"
            config.write_text(yaml.safe_dump(with_values(self.base, change.values)))
            arguments = ["--configfile", str(config.relative_to(root)), "--", *self.targets]
            requests.append(
                {"house": str(root), "arguments": arguments, "edits": dict(change.edits)}
            )
        done = subprocess.run(
            [sys.executable, str(PROJECT / "tests" / "support" / "dry_runs.py")],
            input="".join(json.dumps(request) + "\n" for request in requests),
            env=_environment(root),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return {
            change.name: rules if isinstance(rules, str) else set(rules)
            for change, rules in zip(changes, answers, strict=True)
        }


def _environment(root: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE")}
    kept |= {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def assert_as_predicted(finished: Finished, changes: list[Change], folder: Path) -> None:
    """Compare all predictions with what Snakemake plans; tell every difference."""
    assert len({change.name for change in changes}) == len(changes)
    planned = finished.planned([Change("nothing", set()), *changes], folder)
    assert planned.pop("nothing") == set()
    wrong = [
        f"{change.name}: planned {_listed(planned[change.name])}, "
        f"predicted {_listed(change.expected)}"
        for change in changes
        if planned[change.name] != change.expected
    ]
    assert not wrong, "\n".join(wrong)


def _listed(rules: set[str] | str) -> str:
    return rules if isinstance(rules, str) else " ".join(sorted(rules)) or "nothing"


@pytest.fixture
def run(finished_whole, tmp_path: Path) -> Finished:
    """The finished smallest run that also pretrains."""
    root = tmp_path / "run"
    shutil.copytree(finished_whole.root, root, symlinks=True)
    write_named_files(root)
    return Finished(root, whole(), RESULTS)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder by HTTP; yield its address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def downloaded(finished_original, house, tmp_path: Path) -> Finished:
    """A run on an archive from the network, finished up to the extracted folder."""
    tree = finished_original.root / "runs/micro/caffe/rendered"
    (tmp_path / "served").mkdir()
    with zipfile.ZipFile(tmp_path / "served" / "data_raw.zip", "w") as archive:
        for path in sorted(tree.rglob("*.png")) + sorted(tree.rglob("*.txt")):
            archive.write(path, Path("data_raw") / path.relative_to(tree))
    house.target = EXTRACTED_LISTING
    with served(tmp_path / "served") as address:
        base = with_values(pangaea(), {"caffe.url": f"{address}/data_raw.zip"})
        (house.root / house.config).write_text(yaml.safe_dump(base))
        house.build()
    write_named_files(house.root)
    return Finished(house.root, base, (EXTRACTED_LISTING,))


@pytest.fixture
def downloaded_pairs(house, tmp_path: Path) -> Finished:
    """A run on pairs from a repository, finished up to the extracted folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name in (*SAR_FOLDERS.values(), OPTICAL_FOLDER):
            archive.writestr(f"{name}/S1_Kronebreen_20200703_014.tif", name)
    house.target = EXTRACTED_PAIRS
    with served(folder) as address:
        file = {
            "key": "all.zip",
            "size": (folder / "all.zip").stat().st_size,
            "checksum": "md5:" + file_digests(folder / "all.zip", {"md5"})["md5"],
            "links": {"self": f"{address}/all.zip"},
        }
        record = {"doi": "10.5281/zenodo.7", "files": [file]}
        (folder / "record").write_text(json.dumps(record))
        base = with_values(zenodo(), {"ssl4sar.record_url": f"{address}/record"})
        (house.root / house.config).write_text(yaml.safe_dump(base))
        house.build()
    write_named_files(house.root)
    return Finished(house.root, base, (EXTRACTED_PAIRS,))


@pytest.fixture
def fetched(house, tmp_path: Path) -> Finished:
    """A run on weights from the network, finished up to the fetched file."""
    (tmp_path / "served").mkdir()
    file = tmp_path / "served" / "model.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, file)
    house.target = FETCHED_WEIGHTS
    with served(file.parent) as address:
        weights = {"weights.url": f"{address}/{file.name}", "weights.sha256": sha256_file(file)}
        base = with_values(fetching(), weights)
        (house.root / house.config).write_text(yaml.safe_dump(base))
        house.build()
    write_named_files(house.root)
    return Finished(house.root, base, (FETCHED_WEIGHTS,))


def fits(finished: Finished, changes: list[Mapping[str, Any]]) -> bool:
    """Return whether changes of the configuration can be made together."""
    values = {key: value for change in changes for key, value in change.items()}
    if len(values) < sum(map(len, changes)):
        return False
    try:
        StudyConfig.model_validate(with_values(finished.base, values))
    except ValidationError:
        return False
    return True


def by_key(finished: Finished) -> Iterator[Change]:
    """Yield a change of every key of the configuration."""
    old = finished.rules()
    changes = {key: another(finished.base, key) for key in leaves()}
    changes |= {
        "seeds: one more": {"seeds": [0, 1, 2]},
        "seeds: another": {"seeds": [1, 2]},
        "seeds: order": {"seeds": [1, 0]},
        "spacing_m: none": {"caffe.spacing_m": None},
        "two values swapped": {"training.epochs": 4, "training.batch_size": 2},
    }
    idle: dict[str, Mapping[str, Any]] = {}
    for name, values in changes.items():
        expected = rerun_by_study(old, finished.rules(values), finished.targets)
        if not expected and fits(finished, [*idle.values(), values]):
            idle[name] = values
        else:
            yield Change(name, expected, values=values)
    # All that reruns nothing is shown at once: were one of them wrong, something would rerun.
    together = {key: value for values in idle.values() for key, value in values.items()}
    expected = rerun_by_study(old, finished.rules(together), finished.targets)
    assert expected == set()
    yield Change(f"{IDLE}{', '.join(idle)}", expected, values=together)


def by_file(finished: Finished) -> Iterator[Change]:
    """Yield an edit of every file that Snakemake or a job reads."""
    rules, digests = finished.rules(), reaching(finished.root)
    idle: list[str] = []
    for name in deciding_files(finished.root):
        expected = closed(rules, digests.get(name, ()), finished.targets)
        if expected:
            yield Change(name, expected, edits={name: None})
        else:
            idle.append(name)
    yield Change(f"{IDLE}{', '.join(idle)}", set(), edits=dict.fromkeys(idle))


def by_parameter(finished: Finished) -> Iterator[Change]:
    """Yield a further parameter of every rule."""
    rules = finished.rules()
    for path in sorted((finished.root / "workflow" / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for rule in re.findall(r"^rule (\w+):", text, flags=re.MULTILINE):
            start = text.index("    params:\n", text.index(f"rule {rule}:")) + len("    params:\n")
            edited = f'{text[:start]}        further="value",\n{text[start:]}'
            expected = closed(rules, [rule], finished.targets)
            name = path.relative_to(finished.root).as_posix()
            yield Change(f"{rule}: a parameter", expected, edits={name: edited})


def by_product(finished: Finished) -> Iterator[Change]:
    """Yield a change of the content of every file that a rule made.

    Of the jobs of a rule those of one seed, of every starting point and pretext task.
    """
    rules = finished.rules()
    for name in sorted(wanted(rules, finished.targets)):
        for key, job in rules[name].jobs.items():
            for file in job.outputs:
                if "1" not in key and (finished.root / file).is_file():
                    expected = readers(rules, file, finished.targets)
                    yield Change(file, expected, edits={file: None})


def chosen(changes: Iterable[Change]) -> list[Change]:
    """Return those of all changes that are made: a few, or all in the long form."""
    return [c for c in changes if EVERY or c.name in FEW or c.name.startswith(IDLE)]


def test_a_change_reruns_its_readers_only(run: Finished, tmp_path: Path) -> None:
    products = list(by_product(run))
    assert len(products) > 60
    changes = chosen([*by_key(run), *by_file(run), *by_parameter(run), *products])
    assert len(changes) >= 15
    assert_as_predicted(run, changes, tmp_path)


def of_the_download(changes: Iterable[Change]) -> list[Change]:
    """Return those of all changes that are made on a run that ends with a download."""
    return [c for c in chosen(changes) if c.expected or c.name.startswith(IDLE)]


def test_the_download_reruns_for_its_keys_and_sources_only(
    downloaded: Finished, tmp_path: Path
) -> None:
    run = downloaded
    changes = of_the_download([*by_key(run), *by_file(run), *by_parameter(run)])
    assert {"caffe.url", "caffe.sha256"} <= {change.name for change in changes if change.expected}
    assert_as_predicted(run, [*changes, *chosen(by_product(run))], tmp_path)


def test_the_download_of_pairs_reruns_for_its_keys_and_sources_only(
    downloaded_pairs: Finished, tmp_path: Path
) -> None:
    run = downloaded_pairs
    changes = of_the_download([*by_key(run), *by_file(run), *by_parameter(run)])
    rerun = {change.name: change.expected for change in changes}
    assert rerun["ssl4sar.record_url"] == {"download_ssl4sar", "extract_ssl4sar"}
    assert [name for name in rerun if name.startswith(IDLE) and "pair_scene.seed" in name]
    assert_as_predicted(run, [*changes, *chosen(by_product(run))], tmp_path)


def test_the_fetched_weights_rerun_for_their_keys_and_sources_only(
    fetched: Finished, tmp_path: Path
) -> None:
    old, changes = fetched.rules(), []
    for key in ("weights.url", "weights.sha256", "model.dropout", "scene.seed"):
        values = another(fetched.base, key)
        expected = rerun_by_study(old, fetched.rules(values), fetched.targets)
        assert expected == ({"fetch_weights"} if key.startswith("weights.") else set())
        changes.append(Change(key, expected, values=values))
    changes += of_the_download([*by_file(fetched), *by_parameter(fetched)])
    assert_as_predicted(fetched, changes, tmp_path)


#: Runs of different rules: changes of the smallest one, and what is asked for.
DAGS: list[tuple[Mapping[str, Any], tuple[str, ...]]] = [
    ({"caffe.source": "pangaea", "ssl4sar.source": "zenodo", "model.weights": "timm"}, RESULTS),
    ({"pretraining.own_seeds": True, "caffe.spacing_m": None}, RESULTS),
]
if EVERY:
    DAGS += [
        ({}, RESULTS),
        ({"pretraining.variant": "none", "pretraining.compare": ["none"]}, RESULTS[:1]),
        (another(whole(), "caffe.root"), RESULTS),
        (another(whole(), "ssl4sar.root"), RESULTS),
        ({}, ("runs/micro/evaluate/baselines.json",)),
    ]


@pytest.mark.parametrize(("values", "targets"), DAGS)
def test_the_predicted_dag_is_the_real_one(
    house, values: Mapping[str, Any], targets: tuple[str, ...]
) -> None:
    write_named_files(house.root)
    base = with_values(whole(), values)
    (house.root / house.config).write_text(yaml.safe_dump(base))
    done = house.snakemake("--configfile", house.config, "--rulegraph", "--", *targets)
    assert done.returncode == 0, done.stderr[-3000:]
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
    real = {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)}
    predicted = edges(Finished(house.root, base, targets).rules(), targets)
    assert predicted == real
