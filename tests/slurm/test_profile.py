"""The profile that is shipped for clusters; no SLURM is needed to read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from project_copy import House, copy_project

PROJECT = Path(__file__).resolve().parents[2]
PROFILES = PROJECT / "workflow" / "profiles"
TEXT = (PROFILES / "slurm" / "config.yaml").read_text(encoding="utf-8")


def with_examples(text: str) -> str:
    """Return the profile with every commented example switched on."""
    return re.sub(r"^( *)#(?=\S)", r"\1", text, flags=re.MULTILINE)


def resources(house: House, rule: str, *arguments: str) -> dict[str, str]:
    """Resources of a rule's first job as the dry run tells them."""
    done = house.snakemake("-n", "--configfile", house.config, *arguments, "--", house.target)
    assert done.returncode == 0, done.stderr[-3000:]
    text = done.stdout + done.stderr
    line = re.search(rf"^rule {rule}:.*?^    resources: (.*?)$", text, re.MULTILINE | re.DOTALL)
    assert line is not None
    return dict(part.split("=", 1) for part in line[1].split(", "))


@pytest.fixture
def clone(tmp_path: Path) -> House:
    house = copy_project(tmp_path / "house")
    return House(house.root, execution=("--profile", "workflow/profiles/slurm"))


@pytest.mark.slow
def test_a_fresh_clone_can_be_planned(clone: House) -> None:
    assert {"render_caffe", "finetune", "caffe_mde"} <= clone.planned()
    assert int(resources(clone, "finetune")["runtime"]) > 0


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
def test_every_example_works_when_switched_on(clone: House) -> None:
    (clone.root / "workflow/profiles/slurm/config.yaml").write_text(with_examples(TEXT))
    everywhere = resources(clone, "render_caffe")
    assert everywhere["slurm_account"] == "my_project"
    assert everywhere["slurm_partition"] == "cpu"
    assert everywhere["slurm_extra"] == "--mail-type=FAIL"
    training = resources(clone, "finetune", "--config", "compute={device: cuda}")
    assert training["slurm_partition"] == "gpu"
    assert training["gpu_model"] == "a100"
    assert training["gpu"] == "1"
    assert training["mem_mb"] == "32000"
    assert "scratch" in training
    values = ("pretraining={variant: opttranslator}", "compute={device: cuda}")
    pretraining = resources(clone, "pretrain_opttranslator", "--config", *values)
    assert pretraining["slurm_partition"] == "gpu"
    assert pretraining["gpu_model"] == "a100"
    assert (pretraining["gpu"], pretraining["runtime"]) == ("1", "1440")


@pytest.mark.slow
def test_an_unknown_profile_is_told_in_one_line(clone: House) -> None:
    clone.execution = ("--profile", "workflow/profiles/slrum")
    done = clone.snakemake("-n")
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(told) == 1
    assert "workflow/profiles/slrum" in told[0]
    assert "Traceback" not in done.stderr
