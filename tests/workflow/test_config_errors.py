"""Wrong configurations stop the real command at once, in one line."""

from __future__ import annotations

import time

import pytest


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "trianing=1"], "trianing is no known key (did you mean training?)"),
        (["--config", "training={learning_rate: fast}"], "training.learning_rate: input should"),
        (["--config", "caffe_root=/nowhere/data_raw"], "/nowhere/data_raw: the folder does not"),
        (["--configfile", "config/caffe_coarse.yaml"], "caffe.root is missing"),
        (["--configfile", "config/paper.yaml", "config/config.yaml"], "one file is one complete"),
    ],
)
def test_one_line_without_traceback(house, arguments: list[str], told: str) -> None:
    start = time.monotonic()
    done = house.snakemake("-n", *arguments, "--", "results/caffe_mde.json")
    elapsed_s = time.monotonic() - start
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(lines) == 1
    assert told in lines[0]
    assert "Traceback" not in done.stderr + done.stdout
    # Not a benchmark: a run that starts jobs or reads data before it complains takes far longer.
    assert elapsed_s < 60


@pytest.mark.parametrize("config", ["config/config.yaml", "config/paper.yaml"])
def test_dry_run_works_on_a_fresh_clone(house, config: str) -> None:
    planned = house.planned(config=config)
    assert {"validate_caffe", "prepare_store", "finetune", "predict", "caffe_mde"} <= planned
    assert ("render_caffe" in planned) == (config == "config/config.yaml")
    assert ("download_caffe" in planned) == (config == "config/paper.yaml")


def test_the_default_profile_is_loaded_by_itself(house) -> None:
    done = house.snakemake("-n", "--", house.target)
    assert "Using workflow specific profile profiles/default" in done.stderr


def test_files_on_the_command_line_replace_the_default(house) -> None:
    # With merging, the default's `spacing_m` would resample the paper's native grids.
    assert "resample_caffe" not in house.planned(config="config/paper.yaml")
