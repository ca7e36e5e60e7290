"""The profile that is shipped for clusters; no SLURM is needed to read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from project_copy import PROJECT, House, copy_project, planned_jobs

PROFILES = PROJECT / "workflow" / "profiles"
TEXT = (PROFILES / "slurm" / "config.yaml").read_text(encoding="utf-8")


def with_examples(text: str) -> str:
    """Return the profile with every commented example switched on."""
    return re.sub(r"^( *)#(?=\S)", r"\1", text, flags=re.MULTILINE)


def resources(plan: str, rule: str) -> dict[str, str]:
    """Return the resources of a rule's first job as a dry run states them."""
    line = re.search(rf"^rule {rule}:.*?^    resources: (.*?)$", plan, re.MULTILINE | re.DOTALL)
    assert line is not None
    return dict(part.split("=", 1) for part in line[1].split(", "))


@pytest.fixture
def clone(tmp_path: Path) -> House:
    house = copy_project(tmp_path / "house")
    return House(house.root, execution=("--profile", "workflow/profiles/slurm"))


def test_a_retry_is_a_new_slurm_job() -> None:
    assert yaml.safe_load(TEXT)["retries"] >= 1
    for rules in (PROJECT / "workflow" / "rules").glob("*.smk"):
        assert "retries" not in rules.read_text(encoding="utf-8"), rules.name


def test_the_default_profile_overrides_nothing() -> None:
    # Snakemake loads it beside --profile, and of a key in both its value wins.
    slurm = yaml.safe_load(with_examples(TEXT))
    default = yaml.safe_load((PROFILES / "default" / "config.yaml").read_text(encoding="utf-8"))
    assert {key: slurm.get(key) for key in default} == default


@pytest.mark.slow
def test_a_fresh_clone_is_planned_as_shipped_and_with_every_example(clone: House) -> None:
    shipped = clone.build("-n")
    assert {"render_caffe", "finetune", "caffe_mde"} <= set(planned_jobs(shipped))
    assert int(resources(shipped, "finetune")["runtime"]) > 0

    (clone.root / "workflow/profiles/slurm/config.yaml").write_text(with_examples(TEXT))
    clone.configure({"compute.device": "cuda"})
    plan = clone.build("-n", target="all")
    everywhere = resources(plan, "render_caffe")
    assert everywhere["slurm_account"] == "my_project"
    assert everywhere["slurm_partition"] == "cpu"
    assert everywhere["slurm_extra"] == "--mail-type=FAIL"
    training = resources(plan, "finetune")
    assert training["slurm_partition"] == "gpu"
    assert training["gpu_model"] == "a100"
    assert training["gpu"] == "1"
    assert training["mem_mb"] == "32000"
    assert "scratch" in training
    pretraining = resources(plan, "pretrain_opttranslator")
    assert pretraining["slurm_partition"] == "gpu"
    assert pretraining["gpu_model"] == "a100"
    assert (pretraining["gpu"], pretraining["runtime"]) == ("1", "1440")


@pytest.mark.slow
def test_an_unknown_profile_is_named_in_one_line(clone: House) -> None:
    clone.execution = ("--profile", "workflow/profiles/slrum")
    done = clone.snakemake("-n")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    assert "workflow/profiles/slrum" in lines[0]
    assert "Traceback" not in done.stderr
