"""Killed at any moment, started again: the same result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.slow

#: Comparing these covers the chain: data, training, prediction, evaluation, pictures.
PRODUCTS = (
    "runs/micro/caffe/resampled.json",
    "runs/micro/finetune/seed0/model.json",
    "runs/micro/predict/seed1/predictions.json",
    "results/caffe_mde.json",
    "results/caffe_mde.csv",
    "results/caffe_mde_scenes.png",
)


def kill_after(house, delay_s: float) -> bool:
    """Start the run, kill it with all its jobs; return whether it was still running."""
    process = subprocess.Popen(
        house.command("--configfile", house.config, "--", house.target),
        cwd=house.root,
        env=house.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def duration_s(house) -> float:
    times = [path.stat().st_mtime for path in house.root.glob("logs/micro/*.log")]
    times += [(house.root / house.target).stat().st_mtime]
    return max(times) - min(times)


@pytest.mark.parametrize("kills", [3])
def test_sigkill_and_start_again_gives_the_same_result(
    house, finished_original, kills: int
) -> None:
    moments = random.Random(7)
    whole_s = duration_s(finished_original)
    killed = 0
    for _ in range(kills):
        killed += kill_after(house, 4 + moments.random() * whole_s / kills)
        unlocked = house.snakemake("--configfile", house.config, "--unlock")
        assert unlocked.returncode == 0, unlocked.stderr[-2000:]
    assert killed, "the run was over before the first kill"
    house.build()
    for name in PRODUCTS:
        expected = (finished_original.root / name).read_bytes()
        assert (house.root / name).read_bytes() == expected, name
    assert house.planned() == set()
    # Every process is dead by now: what the killed ones left half-written is gone.
    folders = (house.root / "runs", house.root / "results")
    assert [path for folder in folders for path in folder.rglob(".*.part")] == []


def test_a_failing_job_tells_file_and_fix_and_leaves_no_product(finished) -> None:
    scene = next((finished.root / "runs/micro/caffe/rendered/zones/test").iterdir())
    scene.write_bytes(b"")
    listing = finished.root / "runs/micro/caffe/native.json"
    listing.unlink()
    start = time.time()
    done = finished.snakemake(
        "--configfile", finished.config, "--", str(listing.relative_to(finished.root))
    )
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("ssl4sar: error:")]
    assert len(told) == 1
    assert scene.name in told[0]
    assert "empty" in told[0]
    assert not listing.exists()
    log = finished.root / "logs/micro/validate_caffe.log"
    assert log.stat().st_mtime >= start - 1
    assert scene.name in log.read_text()
