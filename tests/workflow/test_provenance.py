"""Provenance of a real run: audited clean, altered, moved, touched, shared through a cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssl4sar.provenance.record import SUFFIX, JobRecord

pytestmark = pytest.mark.slow

RESULT = "results/caffe_mde.json"
TRAININGS = {f"finetune seed={seed} variant=none" for seed in (0, 1)}


def audit(house, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ssl4sar.cli", "audit", *arguments],
        cwd=house.root,
        env=house.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def problems(house, *arguments: str) -> list[tuple[str, str, list[str]]]:
    code, text, _ = audit(house, RESULT, "--json", *arguments)
    found = json.loads(text)
    assert code == (1 if found["problems"] else 0)
    assert found["holds"] is (not found["problems"])
    return [(p["kind"], p["subject"], p["jobs"]) for p in found["problems"]]


def test_a_finished_run_holds_down_to_its_first_job(finished) -> None:
    code, text, _ = audit(finished)
    assert code == 0, text
    assert "everything holds" in text
    for rule in ("render_caffe", "validate_caffe", "resample_caffe", "prepare_store", "predict"):
        assert rule in text


def test_every_product_has_a_record(finished) -> None:
    records = [
        (path, JobRecord.read(path))
        for folder in ("runs", "results")
        for path in (finished.root / folder).rglob(f"*{SUFFIX}")
    ]
    assert len(records) == 12
    told = {path.parent / output.path for path, record in records for output in record.outputs}
    inside = {output for output in told if output.is_dir()}
    for folder in ("runs", "results"):
        for path in (finished.root / folder).rglob("*"):
            if path.is_dir() or path.name.endswith(SUFFIX) or "resume" in path.parts:
                continue
            assert path in told or inside & set(path.parents) or ".snakemake" in path.name, path


def test_one_byte_one_source_line_one_value_are_three_answers(finished) -> None:
    scene = next((finished.root / "runs/micro/caffe/rendered/sar_images/test").iterdir())
    content = bytearray(scene.read_bytes())
    content[-1] ^= 1
    scene.write_bytes(content)
    name = scene.relative_to(finished.root).as_posix()
    assert problems(finished) == [("altered", name, ["render_caffe"])]
    assert problems(finished, "--quick") == []
    content[-1] ^= 1
    scene.write_bytes(content)

    losses = finished.root / "src/ssl4sar/train/finetune/losses.py"
    text = losses.read_text()
    losses.write_text(text + "ONE = 1\n")
    (found,) = problems(finished)
    assert found[:2] == ("code", "src/ssl4sar/train/finetune/losses.py")
    assert set(found[2]) == TRAININGS
    losses.write_text(text)

    config = finished.root / finished.config
    text = config.read_text()
    config.write_text(text.replace("learning_rate: 0.002", "learning_rate: 0.003"))
    (found,) = problems(finished)
    assert found[:2] == ("config", "training.learning_rate")
    assert set(found[2]) == TRAININGS
    config.write_text(text)
    assert problems(finished) == []


def test_records_survive_a_move_a_touch_and_the_loss_of_snakemakes_own(finished) -> None:
    finished.snakemake("--configfile", finished.config, "--touch", "--", RESULT)
    shutil.rmtree(finished.root / ".snakemake")
    moved = finished.root.with_name("elsewhere")
    finished.root.rename(moved)
    finished.root = moved
    assert problems(finished) == []


def test_the_lock_of_a_killed_run_is_told_and_does_not_hinder_an_audit(finished) -> None:
    locks = finished.root / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.input.lock").write_text("runs/micro/caffe/native.json\n")
    (locks / "0.output.lock").write_text(f"{RESULT}\n")
    done = finished.snakemake(
        "--configfile", finished.config, "--forcerun", "caffe_mde", "--", RESULT
    )
    assert done.returncode != 0
    assert "--unlock" in done.stderr
    assert "Traceback" not in done.stderr
    assert problems(finished) == []
    assert finished.snakemake("--configfile", finished.config, "--unlock").returncode == 0


def test_the_result_of_another_run_replaces_the_record_too(finished) -> None:
    other = finished.root / "config/other.yaml"
    text = (finished.root / finished.config).read_text()
    other.write_text(text.replace("name: micro", "name: other").replace("[0, 1]", "[1]"))
    old = (finished.root / RESULT).read_bytes()
    finished.config = "config/other.yaml"
    finished.build()
    assert problems(finished) == []
    _, text, _ = audit(finished)
    assert "run other" in text.split("caffe_mde")[1]
    # The older result put back in its place is not what the record tells.
    (finished.root / RESULT).write_bytes(old)
    assert problems(finished) == [("altered", RESULT, ["caffe_mde"])]


TEMPORARY = """
rule all_toys:
    input:
        "runs/toy/b.txt",


rule toy_a:
    output:
        a=temp("runs/toy/a.txt"),
        provenance="runs/toy/a.provenance.json",
    log:
        "logs/toy_a.log",
    params:
        source=STUDY.source("toy_a"),
        cfg={},
        temporary=["runs/toy/a.txt"],
    script:
        "workflow/scripts/toy_a.py"


rule toy_b:
    input:
        "runs/toy/a.txt",
    output:
        b="runs/toy/b.txt",
        provenance="runs/toy/b.provenance.json",
    log:
        "logs/toy_b.log",
    params:
        source=STUDY.source("toy_b"),
        cfg={},
    script:
        "workflow/scripts/toy_b.py"
"""
TOY = """
from pathlib import Path

from ssl4sar.workflow.job import job

with job(snakemake):
    Path(snakemake.output[0]).write_text("toy")
"""


def test_a_temporary_file_is_deleted_and_its_hash_stays(house) -> None:
    snakefile = house.root / "Snakefile"
    snakefile.write_text(snakefile.read_text() + TEMPORARY)
    for name in ("toy_a", "toy_b"):
        (house.root / f"workflow/scripts/{name}.py").write_text(TOY)
    house.target = "runs/toy/b.txt"
    house.build()
    assert not (house.root / "runs/toy/a.txt").exists()
    code, text, _ = audit(house, house.target)
    assert code == 0, text
    assert "runs/toy/a.txt: temporary, deleted after use; its hash is known" in text
    assert JobRecord.read(house.root / "runs/toy/a.provenance.json").outputs[0].temporary
    assert house.planned() == set()


def test_two_clones_share_one_cache_and_a_damaged_entry_is_refused(
    house, finished_original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
    environment = house.environment
    monkeypatch.setattr(
        house, "environment", lambda: {**environment(), "SNAKEMAKE_OUTPUT_CACHE": str(cache)}
    )
    house.target = "runs/micro/store/index.json"
    house.build("--cache")
    logs = house.root / "logs/micro"
    assert (logs / "render_caffe.log").read_bytes() != b""
    expected = (finished_original.root / house.target).read_bytes()
    assert (house.root / house.target).read_bytes() == expected
    code, text, _ = audit(house, house.target)
    assert code == 0, text

    # Another clone, another name of the run: neither renders nor resamples again.
    clone = type(house)(tmp_path / "clone", target="runs/other/store/index.json")
    shutil.copytree(
        house.root, clone.root, ignore=shutil.ignore_patterns("runs", "logs", ".snakemake")
    )
    config = clone.root / clone.config
    config.write_text(config.read_text().replace("name: micro", "name: other"))
    source = str(clone.root / "src")
    monkeypatch.setattr(clone, "environment", lambda: {**house.environment(), "PYTHONPATH": source})
    clone.build("--cache")
    for rule in ("render_caffe", "resample_caffe"):
        # Snakemake makes the file; a job that works writes to it.
        assert (clone.root / f"logs/other/{rule}.log").read_bytes() == b""
    assert (clone.root / clone.target).read_bytes() == expected
    code, text, _ = audit(clone, clone.target)
    assert code == 0, text
    assert clone.planned("--cache") == set()

    # The code is part of the key.
    scene = clone.root / "src/ssl4sar/synthetic/sar.py"
    text = scene.read_text()
    scene.write_text(text + "EDITED = True\n")
    assert "render_caffe" in clone.planned("--cache")
    scene.write_text(text)

    # A poisoned entry is refused by the next job that reads it, with its place.
    entry = next(path for path in cache.glob("*_folder") if (path / "README.txt").is_file())
    scene_file = next((entry / "sar_images/train").iterdir())
    content = bytearray(scene_file.read_bytes())
    content[len(content) // 2] ^= 1
    scene_file.write_bytes(content)
    shutil.rmtree(clone.root / "runs")
    done = clone.snakemake("--configfile", clone.config, "--cache", "--", clone.target)
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("ssl4sar: error:")]
    assert len(told) == 1
    assert scene_file.name in told[0]

    # Truncated: the same. What the message says to do works.
    scene_file.write_bytes(content[:100])
    assert clone.snakemake("--configfile", clone.config, "--cache", "--", clone.target).returncode
    advice = re.search(r"(remove \S+/[0-9a-f]{64}_\* and .*), then run again", told[0])
    assert advice is not None
    command = advice[1].replace("remove", "rm -r").replace(" and ", " ")
    subprocess.run(command, shell=True, cwd=clone.root, check=True)
    clone.build("--cache")
    assert (clone.root / clone.target).read_bytes() == expected


#: Begin of a job: two that have both missed the cache wait for each other.
TOGETHER = """if __name__ == "__main__":
    import os
    import time

    place = Path(os.environ["SNAKEMAKE_OUTPUT_CACHE"]).with_name("met")
    place.mkdir(exist_ok=True)
    (place / str(os.getpid())).touch()
    end = time.monotonic() + 120
    while len(list(place.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.1)
"""


def test_two_clones_fill_one_empty_cache_together(house, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    script = house.root / "workflow/scripts/render_caffe.py"
    script.write_text(script.read_text().replace('if __name__ == "__main__":\n', TOGETHER))
    clones = [house, type(house)(tmp_path / "clone")]
    shutil.copytree(house.root, clones[1].root)
    started = [
        subprocess.Popen(
            clone.command(
                "--configfile", clone.config, "--cache", "--", "runs/micro/store/index.json"
            ),
            cwd=clone.root,
            env={**clone.environment(), "SNAKEMAKE_OUTPUT_CACHE": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for clone in clones
    ]
    for process in started:
        _, told = process.communicate(timeout=600)
        assert process.returncode == 0, told[-3000:]
    # Both have rendered, and Snakemake has moved one folder into the other.
    assert len(list((tmp_path / "met").iterdir())) == 2
    assert any((entry / entry.name).is_dir() for entry in cache.glob("*_folder"))
    for clone in clones:
        code, text, _ = audit(clone, "runs/micro/store/index.json")
        assert code == 0, text
    # A third, which finds the entry.
    third = type(house)(tmp_path / "third", target="runs/micro/store/index.json")
    shutil.copytree(
        house.root, third.root, ignore=shutil.ignore_patterns("runs", "logs", ".snakemake")
    )
    environment = {**third.environment(), "SNAKEMAKE_OUTPUT_CACHE": str(cache)}
    done = subprocess.run(
        third.command("--configfile", third.config, "--cache", "--", third.target),
        cwd=third.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "met").iterdir())) == 2


def test_an_altered_intermediate_file_stops_the_next_job(finished) -> None:
    images = finished.root / "runs/micro/store/images.u8"
    content = bytearray(images.read_bytes())
    content[0] ^= 1
    stamp = images.stat()
    images.write_bytes(content)
    os.utime(images, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    done = finished.snakemake(
        "--configfile", finished.config, "--forcerun", "finetune", "--", RESULT
    )
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("ssl4sar: error:")]
    assert "images.u8: its content is not what prepare_store wrote" in told[0]
    assert "--forcerun prepare_store" in told[0]
