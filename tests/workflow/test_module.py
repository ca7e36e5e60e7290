"""Another workflow uses this one as a module, as docs/module.md shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from project_copy import PATIENCE_S, PROJECT, House, planned_jobs

pytestmark = pytest.mark.slow

CLONE = "/path/to/ssl4sar"


def outer_workflow(folder: Path, changes: dict[str, Any], directive: str = "") -> House:
    """Return the workflow of the page around this one, with the micro study as the module's."""
    shown = re.search(r"```python\n(.+?)```", (PROJECT / "docs/module.md").read_text(), re.DOTALL)
    assert shown
    assert CLONE in shown[1]
    text = shown[1].replace(CLONE, str(PROJECT))
    (folder / "config").mkdir(parents=True)
    (folder / "Snakefile").write_text(text.replace("    config:\n", f"{directive}    config:\n", 1))
    study = yaml.safe_load((PROJECT / "tests/workflow/micro.yaml").read_text())
    config = {"a key of its own": 1, "fronts": {**study, **changes}}
    (folder / House.config).write_text(yaml.safe_dump(config))
    return House(folder)


def test_a_rule_of_another_workflow_reads_what_the_module_makes(tmp_path: Path) -> None:
    scene = {"train_images": 5, "test_images": 2, "extent_km": 4.0}
    outer = outer_workflow(tmp_path / "outer", {"scene": scene})
    given = ("--configfile", House.config)

    plan = outer.snakemake("-n", *given, "--", "results/caffe_mde.json")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    jobs = planned_jobs(plan.stdout + plan.stderr)
    assert jobs["ssl4sar_finetune"] == 2
    assert all(name.startswith("ssl4sar_") for name in jobs)

    done = outer.snakemake(*given)
    assert done.returncode == 0, done.stderr
    assert (outer.root / "summary.txt").is_file()
    audit = subprocess.run(
        [sys.executable, "-m", "ssl4sar.cli", "audit", "runs/micro/caffe/rendered.json"],
        cwd=outer.root,
        env={**outer.environment(), "PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert audit.returncode == 0, audit.stdout
    assert "render_caffe" in audit.stdout
    again = outer.snakemake("-n", *given)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.parametrize(
    ("changes", "directive", "said"),
    [
        ({"seed": [0]}, "", "config of the module ssl4sar: seed"),
        ({}, '    prefix:\n        "fronts"\n', "module ssl4sar: prefix or replace_prefix"),
    ],
    ids=["unknown key", "prefix"],
)
def test_what_a_module_cannot_do_is_one_line(
    tmp_path: Path, changes: dict[str, Any], directive: str, said: str
) -> None:
    outer = outer_workflow(tmp_path / "outer", changes, directive)
    done = outer.snakemake("-n", "--configfile", House.config, timeout=PATIENCE_S)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
