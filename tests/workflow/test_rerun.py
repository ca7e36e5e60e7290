"""Exactly what changed is run again: examples and what no table shows.

`test_rerun_table.py` compares the predictions for keys, files, parameters and products.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from reworded import reworded

pytestmark = pytest.mark.slow

AFTER_TRAINING = {"predict", "evaluate_seed", "caffe_mde"}


def edit(path: Path) -> str:
    content = path.read_text(encoding="utf-8")
    path.write_text(content + "EDITED = True\n", encoding="utf-8")
    return content


def test_result_is_complete_and_says_synthetic(finished) -> None:
    result = json.loads((finished.root / "results/caffe_mde.json").read_text())
    assert [run["seed"] for run in result["runs"]] == [0, 1]
    assert result["dataset"]["comparable_with_published"] is False
    assert "SYNTHETIC" in json.dumps(result["dataset"])
    for name in ("caffe_mde.csv", "caffe_mde_scenes.png", "caffe_mde_errors.png"):
        assert (finished.root / "results" / name).stat().st_size > 0


def test_second_run_has_nothing_to_do(finished) -> None:
    assert finished.planned() == set()


def test_editing_a_module_reruns_its_users_only_whatever_its_time_stamp(finished) -> None:
    path = finished.root / "src/ssl4sar/train/finetune/losses.py"
    content = edit(path)
    os.utime(path, (1, 1))
    assert finished.planned() == {"finetune", *AFTER_TRAINING}
    path.write_text(content, encoding="utf-8")
    assert finished.planned() == set()


def test_an_update_of_texts_has_nothing_to_do(finished) -> None:
    """Every message, docstring and comment of the tree is written otherwise."""
    for folder in ("src/ssl4sar", "workflow/scripts"):
        for path in (finished.root / folder).rglob("*.py"):
            path.write_text(reworded(path), encoding="utf-8")
    assert finished.planned() == set()


def test_touching_anything_reruns_nothing(finished) -> None:
    for folder in ("src", "workflow", "config"):
        for path in (finished.root / folder).rglob("*"):
            os.utime(path)
    for name in ("runs/micro/finetune/none/seed0/model.ckpt", "runs/micro/store/images.u8"):
        os.utime(finished.root / name)
    assert finished.planned() == set()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("learning_rate: 0.002", "learning_rate: 0.003", {"finetune", *AFTER_TRAINING}),
        ("name: micro", "name: micro\nevaluation: {overlay_px: 500}", {"caffe_mde"}),
    ],
)
def test_editing_a_value_reruns_its_readers_only(
    finished, old: str, new: str, expected: set[str]
) -> None:
    path = finished.root / "config/micro.yaml"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    assert finished.planned() == expected


def test_a_run_of_another_name_leaves_this_one_alone(finished) -> None:
    other = finished.root / "config/other.yaml"
    content = (finished.root / "config/micro.yaml").read_text()
    other.write_text(content.replace("name: micro", "name: other"))
    assert "finetune" in finished.planned(config="config/other.yaml")
    assert finished.planned() == set()


def test_altered_scene_of_a_local_tree_is_seen(finished) -> None:
    root = finished.root / "runs/micro/caffe/rendered"
    arguments = ("--config", f"caffe_root={root}")
    assert "validate_caffe" in finished.planned(*arguments)
    done = finished.snakemake(
        "--configfile", "config/micro.yaml", *arguments, "--", "runs/micro/caffe/native.json"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    again = finished.snakemake(
        "-n", "--configfile", "config/micro.yaml", *arguments, "--", "runs/micro/caffe/native.json"
    )
    assert "Nothing to be done" in again.stdout + again.stderr
    box = next((root / "bounding_boxes").iterdir())
    status = box.stat()
    box.write_text(box.read_text().replace(".", ".1", 1))
    os.utime(box, ns=(status.st_atime_ns, status.st_mtime_ns - 10**9))
    assert "validate_caffe" in finished.planned(*arguments)
