"""Wrong configurations stop the real command at once, in one line; right ones are planned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from project_copy import PROJECT, House, planned_jobs, told

from ssl4sar.config.loading import read_config
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.study import default_config, open_study


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trianing": 1}, "trianing is not a known key (did you mean training?)"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate: input should"),
        ({"caffe_root": "/nowhere/data_raw"}, "/nowhere/data_raw: the folder does not"),
        (
            {"ssl4sar": {"source": "local", "root": "/nowhere/pairs"}},
            "ssl4sar.root: /nowhere/pairs: the folder does not exist",
        ),
    ],
)
def test_a_wrong_value_of_the_command_line_is_named(values: dict, message: str) -> None:
    with pytest.raises(UserError) as error:
        open_study(default_config(PROJECT, values), [], values, PROJECT)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["config/caffe_coarse.yaml"], "caffe.root is missing"),
        (["config/paper.yaml", "config/config.yaml"], "one file is one complete"),
    ],
)
def test_a_wrong_choice_of_files_is_named(files: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        open_study(read_config(PROJECT / files[0]), [Path(file) for file in files], {}, PROJECT)
    assert message in str(error.value)


@pytest.mark.slow
def test_the_command_ends_with_one_line_without_traceback(house: House, tmp_path: Path) -> None:
    done = house.snakemake("-n", "--config", "trianing=1", "--", house.target)
    assert "trianing is not a known key (did you mean training?)" in told(done)
    # The second of two equal keys would win without a word.
    doubled = tmp_path / "doubled.yaml"
    doubled.write_text((house.root / house.config).read_text() + "\nname: again\n")
    done = house.snakemake("-n", "--configfile", str(doubled), "--", house.target)
    assert "doubled.yaml: it is not YAML (the key name is there twice" in told(done)
    # A Python that Snakemake could not start for its jobs is refused before any job.
    prefix = tmp_path / "My Projects"
    prefix.symlink_to(sys.prefix)
    command = [str(prefix / "bin/python"), *house.command("--configfile", house.config)[1:]]
    done = subprocess.run(
        [*command, "--", house.target],
        cwd=house.root,
        env=house.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "My Projects" in told(done)
    assert "python3 -m venv ~/ssl4sar-venv" in told(done)
    assert not (house.root / "runs").exists()


@pytest.mark.slow
def test_the_published_study_is_planned_with_all_its_trainings_on_a_fresh_clone(
    house: House,
) -> None:
    house.config = "config/paper.yaml"
    jobs = house.planned_jobs(target="all")
    # Five seeds of each of four models; the pretrainings are shared.
    trained = {"finetune", "predict", "evaluate_member"}
    assert {rule: jobs.pop(rule) for rule in trained} == dict.fromkeys(trained, 20)
    assert jobs.pop("pretext_panels") == 2
    data = {"download_caffe", "extract_caffe", "validate_caffe", "prepare_store"}
    pairs = {"download_ssl4sar", "extract_ssl4sar", "validate_pairs", "prepare_pair_store"}
    starts = {"fetch_weights", "pretrain_optsimmim", "pretrain_opttranslator"}
    results = {"score_baselines", "caffe_mde", "pretraining_comparison", "all"}
    # With merging, the default's `spacing_m` would resample the native grids.
    assert jobs == dict.fromkeys(data | pairs | starts | results, 1)


@pytest.mark.slow
def test_the_default_is_planned_by_its_own_profile_below_a_path_with_spaces(
    house: House, tmp_path: Path
) -> None:
    house.root = house.root.rename(tmp_path / "My Projects (new)")
    values = ("seeds=[0, 1]", "model=tyrion_optsimmim", "compare=[tyrion_optsimmim]")
    done = house.snakemake("-n", "--config", *values, "--", "all")
    assert "Using workflow specific profile profiles/default" in done.stderr
    jobs = planned_jobs(done.stdout + done.stderr)
    # The comparison has one model: it is not made.
    # Before the search of five glaciers no scene is known.
    assert (jobs["render_caffe"], jobs["search_scenes"], jobs["pretrain_optsimmim"]) == (1, 5, 1)
    assert (jobs["finetune"], jobs["caffe_mde"]) == (2, 1)
    assert not {"download_caffe", "pretraining_comparison", "pretrain_opttranslator"} & set(jobs)
    house.build(target="runs/micro/caffe/rendered.json")
