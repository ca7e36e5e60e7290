from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.workflow.study import default_config, open_study

PROJECT = Path(__file__).resolve().parents[2]


def study(**values: object):
    return open_study({"name": "x", **values}, [], {}, PROJECT)


def test_cfg_is_one_dictionary_of_builtins() -> None:
    cfg = study().cfg("model", "training.learning_rate", "seeds")
    assert cfg["training.learning_rate"] == 0.01
    assert cfg["seeds"] == [0, 1]
    assert type(cfg["model"]) is dict


def test_swapping_two_values_changes_the_parameter() -> None:
    a = study(training={"momentum": 0.5, "label_smoothing": 0.25}).cfg("training")
    b = study(training={"momentum": 0.25, "label_smoothing": 0.5}).cfg("training")
    assert sorted(map(str, a["training"].values())) == sorted(map(str, b["training"].values()))
    assert repr(a) != repr(b)


def test_compute_is_no_parameter_of_results() -> None:
    assert study(compute={"device": "cuda"}).gpu == 1
    assert study().gpu == 0


def test_tree_follows_source_and_spacing(tmp_path: Path) -> None:
    assert study().raw_listing == ["runs/x/caffe/rendered.json"]
    assert study().tree_manifest == "runs/x/caffe/native.json"
    assert study(caffe={"spacing_m": 80}).tree_manifest == "runs/x/caffe/resampled.json"
    (tmp_path / "sar_images" / "train").mkdir(parents=True)
    (tmp_path / "sar_images" / "train" / "a.png").write_text("a")
    local = study(caffe={"source": "local", "root": str(tmp_path)})
    assert local.raw_listing == []
    assert len(local.raw_content) == 64


def test_errors_name_file_and_command_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"my\.yaml with --config zzz=1: zzz is no known key"):
        open_study({"name": "x", "zzz": 1}, [Path("my.yaml")], {"zzz": 1}, PROJECT)
    with pytest.raises(UserError, match="one file is one complete run"):
        open_study({"name": "x"}, [Path("a.yaml"), Path("b.yaml")], {}, PROJECT)
    with pytest.raises(UserError, match="does not exist"):
        study(caffe={"source": "local", "root": str(tmp_path / "no")})


def test_every_rule_script_has_a_digest() -> None:
    scripts = sorted((PROJECT / "workflow" / "scripts").glob("*.py"))
    assert scripts
    digests = {script.stem: study().source(script.stem) for script in scripts}
    assert all(len(digest) == 64 for digest in digests.values())
    assert len(set(digests.values())) == len(digests)


def test_command_line_values_go_over_the_default_key_by_key() -> None:
    config = default_config(PROJECT, {"training": {"epochs": 3}, "name": "other"})
    assert config["training"]["epochs"] == 3
    assert config["training"]["batch_size"] > 0
    assert config["name"] == "other"


def test_a_broken_default_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("name: [")
    with pytest.raises(UserError, match=r"config\.yaml: the file is no YAML"):
        default_config(tmp_path, {})


def test_missing_weights_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.weights_file: .*does not exist"):
        study(model={"weights": "tyrion", "weights_file": str(tmp_path / "no.ckpt")})


@pytest.mark.parametrize(
    ("compute", "expected", "unwanted"),
    [
        (
            {"device": "cuda", "devices": 4, "train_threads": 8},
            {"--cpus-per-task=32", "--mem 96000"},
            {"--nodes", "--ntasks"},
        ),
        (
            {"device": "cuda", "devices": 4, "nodes": 2, "train_threads": 8},
            {"--nodes=2", "--ntasks-per-node=4", "--cpus-per-task=8", "--mem 96000"},
            {"--ntasks-per-gpu", "--ntasks="},
        ),
        (
            {"device": "cuda", "nodes": 2, "train_threads": 8},
            {"--nodes=2", "--ntasks=2", "--cpus-per-task=8", "--mem 24000"},
            {"--ntasks-per-gpu", "--ntasks-per-node"},
        ),
        ({"devices": 2, "train_threads": 3}, {"--ntasks=1", "--cpus-per-task=6"}, {"--nodes"}),
    ],
)
def test_slurm_is_asked_for_the_shape_of_the_training(
    compute: dict[str, object], expected: set[str], unwanted: set[str]
) -> None:
    reason = "the SLURM plugin of Snakemake is not installed"
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm.submit_string", reason=reason)
    training = {"batch_size": 4, "accumulate_batches": 8}
    made = study(compute=compute, training=training)
    devices = int(str(compute.get("devices", 1))) * int(str(compute.get("nodes", 1)))
    assert made.train_gpus == (devices if compute.get("device") == "cuda" else 0)
    resources = _Resources(
        {"mem_mb": made.train_mem_mb, "gpu": made.train_gpus, **made.train_placement}
    )
    job = SimpleNamespace(resources=resources, threads=made.config.compute.threads_per_task)
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    words = plugin.get_submit_command(job, dict.fromkeys(names, ""))
    assert [word for word in expected if word not in words] == []
    assert [word for word in unwanted if word in words] == []


class _Resources(dict[str, object]):
    """Resources as Snakemake hands them to its plugins: by key and as attributes."""

    def __getattr__(self, name: str) -> object:
        return self[name]
