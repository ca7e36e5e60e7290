"""Provenance of a real study: audited clean, altered, moved, touched, shared through a cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from micro_study import NATIVE, RENDERED, RESULT, STORED_IMAGES, fine_tuned, records_of
from project_copy import House

from ssl4sar.cli import main
from ssl4sar.provenance.record import SUFFIX, JobRecord

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TRAININGS = {f"finetune member=seed{seed} model=none" for seed in (0, 1)}


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]):
    """Function that audits a file of a house: exit status and what is said."""

    def run(house: House, file: str = RESULT, *arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["audit", str(house.root / file), *arguments])
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def problems(audit):
    """Function that audits the result of a house: kind, subject and jobs of each problem."""

    def run(house: House, *arguments: str) -> list[tuple[str, str, list[str]]]:
        code, text = audit(house, RESULT, "--json", *arguments)
        found = json.loads(text)
        assert code == (1 if found["problems"] else 0)
        assert found["holds"] is (not found["problems"])
        root = f"{house.root}/"
        return [(p["kind"], p["subject"].removeprefix(root), p["jobs"]) for p in found["problems"]]

    return run


def test_a_finished_study_holds_down_to_its_first_job(finished: House) -> None:
    done = finished.python("-m", "ssl4sar.cli", "audit", RESULT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything holds" in done.stdout
    for rule in ("render_caffe", "validate_caffe", "resample_caffe", "prepare_store", "predict"):
        assert rule in done.stdout


def test_every_product_has_a_record(finished_study: House) -> None:
    records = records_of(finished_study.root)
    assert len(records) > 20
    named = {path.parent / output.path for path, record in records for output in record.outputs}
    inside = {output for output in named if output.is_dir()}
    for folder in ("runs", "results"):
        for path in (finished_study.root / folder).rglob("*"):
            if path.is_dir() or path.name.endswith(SUFFIX) or "resume" in path.parts:
                continue
            is_known = path in named or inside & set(path.parents)
            assert is_known or ".snakemake" in path.name, path


def test_one_byte_one_source_line_one_value_are_three_answers(finished: House, problems) -> None:
    scene = next((finished.root / RENDERED / "sar_images/test").iterdir())
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

    finished.configure({"training.learning_rate": 0.003})
    (found,) = problems(finished)
    assert found[:2] == ("config", "models.none.recipe.learning_rate")
    assert set(found[2]) == TRAININGS
    finished.configure({})
    assert problems(finished) == []


def test_records_survive_a_move_a_touch_and_the_loss_of_snakemakes_own(
    finished: House, problems
) -> None:
    finished.build("--touch")
    shutil.rmtree(finished.root / ".snakemake")
    moved = finished.root.with_name("elsewhere")
    finished.root.rename(moved)
    finished.root = moved
    assert problems(finished) == []


def test_an_altered_file_stops_the_next_job_with_its_name_and_the_fix(
    finished: House, problems
) -> None:
    images = finished.root / STORED_IMAGES
    content = bytearray(images.read_bytes())
    content[0] ^= 1
    stamp = images.stat()
    images.write_bytes(content)
    os.utime(images, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    line = finished.fail("--forcerun", "finetune", target=f"{fine_tuned()}/model.json")
    assert "images.u8: its content is not what prepare_store wrote" in line
    assert "--forcerun prepare_store" in line
    # No product of the failed job is left, and its log says the same.
    assert not (finished.root / fine_tuned() / "model.ckpt").exists()


TEMPORARY = """
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


def test_a_temporary_file_is_deleted_and_its_hash_stays(house: House, audit) -> None:
    snakefile = house.root / "Snakefile"
    snakefile.write_text(snakefile.read_text() + TEMPORARY)
    for name in ("toy_a", "toy_b"):
        (house.root / f"workflow/scripts/{name}.py").write_text(TOY)
    house.target = "runs/toy/b.txt"
    house.build()
    assert not (house.root / "runs/toy/a.txt").exists()
    code, text = audit(house, house.target)
    assert code == 0, text
    assert "runs/toy/a.txt: temporary, deleted after use; its hash is known" in text
    assert JobRecord.read(house.root / "runs/toy/a.provenance.json").outputs[0].temporary
    assert house.planned() == set()


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


def test_clones_fill_one_cache_share_it_and_refuse_a_damaged_entry(
    house: House, finished_study: House, tmp_path: Path, audit
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    script = house.root / "workflow/scripts/render_caffe.py"
    script.write_text(script.read_text().replace('if __name__ == "__main__":\n', TOGETHER))
    house.target = NATIVE
    house.variables = {"SNAKEMAKE_OUTPUT_CACHE": str(cache)}
    # Another name of the run in the third clone, which is started when the cache is full.
    clones = [house, house.copy(tmp_path / "second"), house.copy(tmp_path / "third")]
    clones[2].configure({"name": "other"})
    clones[2].target = NATIVE.replace("micro", "other")
    started = [
        subprocess.Popen(
            clone.command("--configfile", clone.config, "--cache", "--", clone.target),
            cwd=clone.root,
            env=clone.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for clone in clones[:2]
    ]
    for process in started:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said[-3000:]
    # Both have rendered, and Snakemake has moved one folder into the other.
    assert len(list((tmp_path / "met").iterdir())) == 2
    assert any((entry / entry.name).is_dir() for entry in cache.glob("*_folder"))
    third = clones[2]
    third.build("--cache")
    # Snakemake makes the file; a job that works writes to it.
    assert (third.root / "logs/other/render_caffe.log").read_bytes() == b""
    expected = (finished_study.root / NATIVE).read_bytes()
    for clone in clones:
        assert (clone.root / clone.target).read_bytes() == expected
        code, text = audit(clone, clone.target)
        assert code == 0, text
    assert third.planned("--cache") == set()

    # The code is part of the key.
    scene = third.root / "src/ssl4sar/synthetic/sar.py"
    text = scene.read_text()
    scene.write_text(text + "EDITED = True\n")
    assert "render_caffe" in third.planned("--cache")
    scene.write_text(text)

    # A poisoned entry is refused by the next job that reads it, and what the message says works.
    entry = next(path for path in cache.glob("*_folder") if (path / "README.txt").is_file())
    scene_file = next((entry / "sar_images/train").iterdir())
    scene_file.write_bytes(scene_file.read_bytes()[:100])
    shutil.rmtree(third.root / "runs")
    line = third.fail("--cache")
    assert scene_file.name in line
    advice = re.search(r"(remove \S+/[0-9a-f]{64}_\* and .*), then run again", line)
    assert advice is not None
    command = advice[1].replace("remove", "rm -r").replace(" and ", " ")
    subprocess.run(command, shell=True, cwd=third.root, check=True)
    third.build("--cache")
    assert (third.root / third.target).read_bytes() == expected
