"""Killed at any moment, started again: the same result.

    SSL4SAR_KILLS=30 pytest -s tests/workflow/test_interruption.py

is the long form (about a quarter of an hour): 30 kills in place of a few, and an orphan of every
stage in place of one. It prints what was going on at each kill.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from micro_study import (
    LOGS,
    RESUME,
    TASKS,
    UNET,
    fine_tuned,
    log_of,
    log_of_finetune,
    log_of_pretrain,
    outputs_of,
    pretrained,
    records_of,
    resumed,
    scored,
)
from PIL import Image
from project_copy import House
from waiting import wait_until

from ssl4sar.cli import main

KILLS = int(os.environ.get("SSL4SAR_KILLS", "2"))
LONG = KILLS >= 10

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240 * KILLS if LONG else 600)]

#: Kills on the way to one result; a run that is killed too often makes no progress.
KILLS_PER_RUN = 6
#: What the short form makes: the scores of one network.
SCORES = scored()
#: In the logs of jobs that the result does not need, or the scores.
BESIDE = ("pretrain", "pretext", *TASKS, "pair", UNET)
if not LONG:
    BESIDE += ("seed1", "score_baselines", "caffe_mde")
#: Jobs that live on when the main process is killed: rule and log.
ORPHANS = {
    "render_caffe": f"{LOGS}/render_caffe.log",
    "finetune": log_of_finetune(),
    "pretrain_optsimmim": log_of_pretrain("optsimmim"),
    "predict": log_of("predict"),
    "evaluate_member": log_of("evaluate_member"),
    "pretext_panels": log_of("pretext_panels", model="optsimmim"),
    **{
        rule: f"{LOGS}/{rule}.log"
        for rule in (
            *("validate_caffe", "resample_caffe", "prepare_store", "score_baselines", "caffe_mde"),
            *("render_pairs", "validate_pairs", "prepare_pair_store", "pretraining_comparison"),
        )
    },
}
#: What trainings resume from, by the rule of an orphan.
RESUMED = {
    "finetune": resumed(fine_tuned()),
    "pretrain_optsimmim": resumed(pretrained("optsimmim")),
}
TRAINS_HERE = "trains here (perhaps left over from a killed workflow)"
#: Columns of metrics.csv that no two runs share.
TIMES = ("samples_per_s", "duration_s")
POLL_S = 0.001
#: A kill may wait for the last job of a run, which takes two minutes on a busy machine.
PATIENCE_S = 240


@dataclass
class Attempt:
    """A started run that is to be killed.

    Attributes:
        root: folder of the project.
        process: Snakemake.
        before: files that were there at the start.
    """

    root: Path
    process: subprocess.Popen[bytes]
    before: set[Path]
    start: float = field(default_factory=time.time)

    @classmethod
    def begin(cls, house) -> Attempt:
        """Start the run in a session of its own."""
        process = subprocess.Popen(
            house.command("--configfile", house.config, "--", house.target),
            cwd=house.root,
            env=house.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return cls(house.root, process, set(files_of(house.root)))

    def wait_for(self, happened: Callable[[], bool], what: str = "the moment of the kill") -> bool:
        """Wait until something happened; return false if the run ended before."""
        wait_until(lambda: happened() or self.process.poll() is not None, what, PATIENCE_S, POLL_S)
        return self.process.poll() is None

    def new(self, half_written: bool) -> set[Path]:
        """Return the files that have appeared since the start: half-written or final ones."""
        found = set(files_of(self.root)) - self.before
        return {path for path in found if is_part(path) == half_written}

    def begins(self, log: Path) -> bool:
        """Return whether the job of a log has begun since the start."""
        try:
            return log.stat().st_mtime > self.start
        except FileNotFoundError:
            return False

    def running(self) -> str:
        """Name the jobs that have begun since the start; the last ones were hit by a kill."""
        logs = [p for p in (self.root / LOGS).glob("*.log") if p.stat().st_mtime > self.start]
        return " ".join(path.stem for path in sorted(logs, key=lambda p: p.stat().st_mtime)[-2:])

    def kill_all(self) -> None:
        """Kill Snakemake and all its jobs at once, and wait until they are gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_for_silence(self.root)

    def leave_orphans(self) -> list[int]:
        """Kill Snakemake alone; return its jobs, which are stopped."""
        self.process.kill()
        self.process.wait()
        orphans = living(self.root)
        assert orphans, "no job outlived Snakemake"
        signal_all(orphans, signal.SIGSTOP)
        return orphans


def is_part(path: Path) -> bool:
    return any(part.startswith(".") and part.endswith(".part") for part in path.parts)


def files_of(root: Path) -> Iterator[Path]:
    """Yield every file of intermediate and final results, half-written ones too."""
    for top in ("runs", "results"):
        for folder, _, names in os.walk(root / top):
            yield from (Path(folder, name).relative_to(root) for name in names)


def living(root: Path) -> list[int]:
    """Return the processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                at = (entry / "cwd").readlink()
                dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                continue
            if not dead and at == root:
                found.append(int(entry.name))
    return found


def wait_for_silence(root: Path) -> None:
    wait_until(lambda: not living(root), f"the end of all processes in {root}", PATIENCE_S, 0.05)


def moment(attempt: Attempt, rng: random.Random, later_logs: list[Path]) -> tuple[str, bool]:
    """Wait for a random moment from when one of some jobs begins; without jobs, of the start-up.

    Returns:
        What the moment is, and whether the run was still going.
    """
    if later_logs and not attempt.wait_for(lambda: any(map(attempt.begins, later_logs))):
        return "", False
    kind = rng.choice(("after some time", "while a file is written", "after a file is done"))
    if not later_logs or kind == "after some time":
        end = time.monotonic() + rng.random() * 3
        return "after some time", attempt.wait_for(lambda: time.monotonic() > end)
    half_written = kind == "while a file is written"
    before = attempt.new(half_written)
    going = attempt.wait_for(lambda: bool(attempt.new(half_written) - before))
    time.sleep(rng.random() * 0.02)
    return kind, going


def is_result(path: Path) -> bool:
    """Return whether a file is meant for others; what a training resumes from is its own."""
    return not path.is_relative_to(RESUME)


def results_of(root: Path) -> set[Path]:
    """Return the products; what Snakemake puts beside them to remember times is none."""
    return {
        path
        for path in files_of(root)
        if is_result(path) and not is_part(path) and path.name != ".snakemake_timestamp"
    }


def folders_made(root: Path) -> list[Path]:
    """Return the folders that rules make as a whole."""
    outputs = {rec.rule: outputs_of(root, rec.rule) for _, rec in records_of(root)}
    return sorted({path for made in outputs.values() for path in made if (root / path).is_dir()})


def marked_incomplete(root: Path) -> set[Path]:
    """Return the products of which Snakemake knows that their job has not ended."""
    markers = (root / ".snakemake/incomplete").rglob("*")
    return {Path(base64.b64decode(path.name).decode()) for path in markers if path.is_file()}


def assert_readable(path: Path) -> None:
    """Read a product to its end."""
    match path.suffix:
        case ".json":
            json.loads(path.read_text(encoding="utf-8"))
        case ".png":
            with Image.open(path) as image:
                image.load()
        case ".npz":
            with np.load(path) as arrays:
                assert all(arrays[name].size for name in arrays)
        case ".csv":
            with path.open(newline="") as lines:
                assert len({len(row) for row in csv.reader(lines)}) == 1


def without_times(path: Path) -> bytes | list[dict[str, str]] | None:
    """Return what is the same in every run of the same work."""
    if path.name.endswith(".provenance.json"):
        return None
    if path.name == "metrics.csv":
        with path.open(newline="") as lines:
            return [{**row, **dict.fromkeys(TIMES, "")} for row in csv.DictReader(lines)]
    return path.read_bytes()


def assert_nothing_wrong(root: Path, undisturbed: Path) -> None:
    """Compare what is under final names with the undisturbed run."""
    expected = results_of(undisturbed)
    for path in results_of(root):
        assert path in expected, f"{path}: no product has this name"
        assert_readable(root / path)
        made, whole = without_times(root / path), without_times(undisturbed / path)
        # The table of a training grows by a row per epoch, for people who look while it runs.
        if path.name == "metrics.csv" and path in marked_incomplete(root):
            assert whole[: len(made)] == made, path
        else:
            assert made == whole, path
    for folder in folders_made(undisturbed):
        if (root / folder).is_dir() and folder not in marked_incomplete(root):
            names = {path.relative_to(folder) for path in expected if folder in path.parents}
            there = {path for path in results_of(root) if folder in path.parents}
            assert {path.relative_to(folder) for path in there} == names, folder


def assert_finished(house: House, undisturbed: Path) -> None:
    """Compare all products with the undisturbed run, and look for what kills left behind."""
    assert_nothing_wrong(house.root, undisturbed)
    assert house.planned() == set()
    assert [path for path in files_of(house.root) if is_part(path)] == []


def unlock(house: House) -> None:
    unlocked = house.snakemake("--configfile", house.config, "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr[-2000:]


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def killed_on_the_way(house, undisturbed: Path, rng: random.Random, kills: int) -> list[str]:
    """Make the result from nothing with kills on the way; return what each of them hit."""
    for made in ("runs", "results", "logs", ".snakemake"):
        remove(house.root / made)
    every = [path.relative_to(undisturbed) for path in (undisturbed / LOGS).rglob("*.log")]
    logs = [path for path in every if not any(word in str(path) for word in BESIDE)]
    jobs = sorted(logs, key=lambda path: (undisturbed / path).stat().st_mtime)
    # Spread over the whole run; -1 is the start, before any job.
    places = sorted(rng.sample(range(-1, len(jobs)), min(KILLS_PER_RUN, kills)))
    hit: list[str] = []
    for place in places:
        later = [house.root / job for job in jobs[place:]] if place >= 0 else []
        attempt = Attempt.begin(house)
        kind, going = moment(attempt, rng, later)
        if not going:
            break
        attempt.kill_all()
        hit.append(f"{kind}: {attempt.running() or 'before the first job'}")
        assert_nothing_wrong(house.root, undisturbed)
        unlock(house)
    house.build()
    wait_for_silence(house.root)
    assert_finished(house, undisturbed)
    return hit


def test_sigkill_and_start_again_gives_the_same_result(house: House, finished_study: House) -> None:
    if not LONG:
        house.target = SCORES
    rng = random.Random(7)
    hit: list[str] = []
    runs = 0
    while len(hit) < KILLS:
        hit += killed_on_the_way(house, finished_study.root, rng, KILLS - len(hit))
        runs += 1
        # A late kill may miss a run that ends before; more runs make up for it.
        assert runs <= 3 + KILLS, "the runs end before they are killed"
    print(f"{len(hit)} kills in {runs} runs", *hit, sep="\n")


def test_a_killed_pretraining_resumes_from_its_last_epoch(
    finished: House, finished_study: House, capsys: pytest.CaptureFixture[str]
) -> None:
    made, log = Path(pretrained("optsimmim")), finished.root / log_of_pretrain("optsimmim")
    finished.target = f"{made}/model.json"
    for folder in (made, RESUMED["pretrain_optsimmim"]):
        remove(finished.root / folder)
    killed = Attempt.begin(finished)
    state = finished.root / RESUMED["pretrain_optsimmim"] / "last.ckpt"
    assert killed.wait_for(state.exists)
    orphans = killed.leave_orphans()
    # The lock of a killed run is reported, and does not hinder an audit.
    locked = finished.snakemake("--configfile", finished.config, "--", finished.target)
    assert locked.returncode != 0
    assert "--unlock" in locked.stderr
    assert "Traceback" not in locked.stderr
    assert main(["audit", str(finished.root / House.target)]) == 0
    unlock(finished)
    # Two trainings would spoil each other's state: the second learns who holds it.
    again = finished.snakemake("--configfile", finished.config, "--", finished.target)
    assert again.returncode != 0
    assert TRAINS_HERE in log.read_text()
    signal_all(orphans, signal.SIGKILL)
    wait_for_silence(finished.root)
    assert not (finished.root / made / "model.ckpt").exists()
    finished.build()
    after = re.search(r"resuming after epoch (\d+) of (\d+)\n", log.read_text())
    assert after is not None
    assert 1 <= int(after[1]) < int(after[2])
    names = {path.name for path in (finished_study.root / made).iterdir()}
    assert {"model.ckpt", "model.json", "metrics.csv", "pictures.npz"} <= names
    for name in names:
        resumed_file, whole_file = (h.root / made / name for h in (finished, finished_study))
        assert without_times(resumed_file) == without_times(whole_file), name


@pytest.mark.parametrize("rule", list(ORPHANS)[: None if LONG else 1])
def test_an_orphan_of_a_killed_run_spoils_nothing(
    finished: House, finished_study: House, rule: str
) -> None:
    log = finished.root / ORPHANS[rule]
    job = next(r for _, r in records_of(finished.root) if r.rule == rule)
    outputs = outputs_of(finished.root, rule, job.wildcards)
    for path in (*outputs, *RESUMED.values()):
        remove(finished.root / path)
    finished.target = str(outputs[-1])

    killed = Attempt.begin(finished)
    assert killed.wait_for(partial(killed.begins, log))
    if rule in RESUMED:
        lock = finished.root / RESUMED[rule] / "training.lock"
        assert killed.wait_for(lambda: lock.exists() and lock.stat().st_size > 0)
    # The orphan waits until the next run does the same job again: both write then.
    orphans = killed.leave_orphans()
    unlock(finished)
    again = Attempt.begin(finished)
    assert again.wait_for(partial(again.begins, log))
    signal_all(orphans, signal.SIGCONT)
    again.process.wait(PATIENCE_S)
    assert_nothing_wrong(finished.root, finished_study.root)
    if rule in RESUMED:
        assert again.process.returncode != 0
        assert TRAINS_HERE in log.read_text()
    else:
        assert again.process.returncode == 0
    wait_for_silence(finished.root)
    finished.build()
    finished.target = "all"
    if rule in RESUMED:
        finished.build()  # The metrics of a training say how long it took.
    assert_finished(finished, finished_study.root)


def signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)
