from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS
from ssl4sar.provenance.digest import CACHED_BY_CONTENT
from ssl4sar.workflow.study import (
    EXTRACTED_PAIRS,
    FETCHED_WEIGHTS,
    FETCHING,
    RENDERING,
    default_config,
    open_study,
    require_usable_python,
)

PROJECT = Path(__file__).resolve().parents[2]


def study(**values: object):
    return open_study({"name": "x", **values}, [], {}, PROJECT)


def test_cfg_is_one_dictionary_of_builtins() -> None:
    cfg = study().cfg("scene", "training.learning_rate", "seeds")
    assert cfg["training.learning_rate"] == 0.01
    assert cfg["seeds"] == [0, 1]
    assert type(cfg["scene"]) is dict


def test_swapping_two_values_changes_the_parameter() -> None:
    a = study(training={"momentum": 0.5, "label_smoothing": 0.25}).cfg("training")
    b = study(training={"momentum": 0.25, "label_smoothing": 0.5}).cfg("training")
    assert sorted(map(str, a["training"].values())) == sorted(map(str, b["training"].values()))
    assert repr(a) != repr(b)


def test_tree_follows_source_and_spacing(tmp_path: Path) -> None:
    assert study().raw_listing == ["runs/x/caffe/rendered.json"]
    assert study().tree_manifest == "runs/x/caffe/native.json"
    assert study(caffe={"spacing_m": 80}).tree_manifest == "runs/x/caffe/resampled.json"
    (tmp_path / "sar_images" / "train").mkdir(parents=True)
    (tmp_path / "sar_images" / "train" / "a.png").write_text("a")
    local = study(caffe={"source": "local", "root": str(tmp_path)})
    assert local.raw_listing == []
    assert len(local.raw_content) == 64


def rows(*weights: str) -> dict[str, dict[str, str]]:
    return {each: {"weights": each} for each in weights}


def asked(model: str) -> SimpleNamespace:
    """Wildcards of a fine-tuning."""
    return SimpleNamespace(model=model, member="seed1")


@pytest.mark.parametrize(
    ("model", "own_seeds", "record"),
    [
        ("none", False, []),
        ("imagenet", False, []),
        ("optsimmim", False, ["runs/x/pretrain/optsimmim/seed5/model.json"]),
        ("opttranslator", True, ["runs/x/pretrain/opttranslator/seed1/model.json"]),
    ],
)
def test_a_fine_tuning_reads_its_starting_weights_only(
    model: str, own_seeds: bool, record: list[str]
) -> None:
    pretraining = {"seed": 5, "own_seeds": own_seeds}
    made = study(models=rows(model), pretraining=pretraining)
    assert made.pretraining_record(asked(model)) == record
    weights = {"none": [], "imagenet": [FETCHED_WEIGHTS]}.get(
        model, [path.replace(".json", ".ckpt") for path in record]
    )
    assert made.finetune_weights(asked(model)) == weights
    assert made.members == ("seed0", "seed1", "seed5")


def test_files_of_members_and_models_are_listed_in_order() -> None:
    models = {**rows("opttranslator", "none", "optsimmim"), "few": {"seeds": [7]}}
    compare = ["opttranslator", "none", "few"]
    made = study(seeds=[3, 1], models=models, model="optsimmim", compare=compare)
    pattern = "{model}/{member}"
    assert made.of_model(pattern) == ["runs/x/optsimmim/seed3", "runs/x/optsimmim/seed1"]
    assert made.of_compared(pattern) == [
        *("runs/x/opttranslator/seed3", "runs/x/opttranslator/seed1"),
        *("runs/x/none/seed3", "runs/x/none/seed1", "runs/x/few/seed7"),
    ]
    # The model behind the result is pretrained too.
    assert made.of_pretrainings("{task}/{member}") == [
        "runs/x/optsimmim/seed0",
        "runs/x/opttranslator/seed0",
    ]
    assert made.of_pretrainings("{task}", ["none", "optsimmim"]) == ["runs/x/optsimmim"]


def test_of_models_and_networks_only_those_of_the_job_are_its_parameters() -> None:
    unet = {"network": {"name": "aspp_unet"}, "recipe": {"epochs": 3}}
    made = study(models={"a": {}, "unet": unet})
    params = made.given_for_model("finetune", "models.{model}.network", "models.{model}.recipe")
    of = {name: {k: v(asked(name)) for k, v in params.items()} for name in ("a", "unet")}
    assert of["unet"]["modules"] == ["ssl4sar.models.aspp_unet"]
    assert of["unet"]["cfg"]["models.unet.recipe"]["epochs"] == 3
    assert of["a"]["cfg"]["models.a.network"]["name"] == "tyrion"
    assert of["a"]["source"] != of["unet"]["source"]


@pytest.mark.parametrize("name", ["tyrion", "aspp_unet", "temporal_tyrion"])
def test_series_are_parameters_of_temporal_networks_alone(name: str) -> None:
    made = study(models={"m": {"network": {"name": name}}})
    cfg = made.given_for_model("finetune", "models.{model}.recipe", "prediction")["cfg"]
    carrying = [key for key, block in cfg(asked("m")).items() if "series" in block]
    assert carrying == (["models.m.recipe", "prediction"] if name == "temporal_tyrion" else [])


def test_pairs_follow_their_source(tmp_path: Path) -> None:
    assert study().pair_listing == ["runs/x/ssl4sar/rendered.json"]
    assert study().pair_tree == "runs/x/ssl4sar/rendered"
    published = study(ssl4sar={"source": "zenodo"})
    assert published.pair_listing == [EXTRACTED_PAIRS]
    assert published.pair_tree == "resources/ssl4sar/extracted"
    assert study().pair_content == published.pair_content == ""
    for folder in (*SAR_FOLDERS.values(), OPTICAL_FOLDER):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.tif").write_text("a")
    for source in ("local", "built"):
        own = study(ssl4sar={"source": source, "root": str(tmp_path)}, models=rows("optsimmim"))
        assert own.pair_listing == []
        assert own.pair_tree == str(tmp_path)
        assert len(own.pair_content) == 64


def test_a_folder_of_pairs_is_asked_for_where_something_is_pretrained(tmp_path: Path) -> None:
    missing = {"source": "local", "root": str(tmp_path / "no")}
    with pytest.raises(UserError, match=r"ssl4sar\.root: .*no: the folder does not exist"):
        study(ssl4sar=missing, models=rows("optsimmim"))
    assert study(ssl4sar=missing).pair_content == ""


def test_errors_name_file_and_command_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"my\.yaml with --config zzz=1: zzz is not a known key"):
        open_study({"name": "x", "zzz": 1}, [Path("my.yaml")], {"zzz": 1}, PROJECT)
    with pytest.raises(UserError, match="one file is one complete run"):
        open_study({"name": "x"}, [Path("a.yaml"), Path("b.yaml")], {}, PROJECT)
    with pytest.raises(UserError, match="does not exist"):
        study(caffe={"source": "local", "root": str(tmp_path / "no")})


def test_every_rule_script_has_a_digest() -> None:
    scripts = sorted((PROJECT / "workflow" / "scripts").glob("*.py"))
    assert scripts
    fetching = study(sentinel={"provider": "cdse"})
    digests = {script.stem: fetching.source(script.stem) for script in scripts}
    kept = {rule for rule, digest in digests.items() if digest == CACHED_BY_CONTENT}
    assert kept == FETCHING
    # What Snakemake remembers of downloads that were made: another text would repeat them all.
    assert CACHED_BY_CONTENT == "kept by content"
    computed = [digest for rule, digest in digests.items() if rule not in kept]
    assert all(len(digest) == 64 for digest in computed)
    assert len(set(computed)) == len(computed)


def test_products_that_are_rendered_depend_on_the_code() -> None:
    rendering = study(sentinel={"provider": "synthetic"})
    assert {len(rendering.source(rule)) for rule in RENDERING} == {64}
    assert rendering.source("fetch_orbit") == CACHED_BY_CONTENT


def test_command_line_values_go_over_the_default_key_by_key() -> None:
    config = default_config(PROJECT, {"training": {"epochs": 3}, "name": "other"})
    assert config["training"]["epochs"] == 3
    assert config["training"]["batch_size"] > 0
    assert config["name"] == "other"


def test_missing_weights_file_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"models\.m\.weights_file: .*does not exist"):
        study(models={"m": {"weights": "checkpoint", "weights_file": str(tmp_path / "no.ckpt")}})


@pytest.mark.parametrize(
    ("compute", "expected", "unwanted"),
    [
        (
            {"device": "cuda", "devices": 4, "train_threads": 8},
            {"--cpus-per-task=32"},
            {"--nodes", "--ntasks"},
        ),
        (
            {"device": "cuda", "devices": 4, "nodes": 2, "train_threads": 8},
            {"--nodes=2", "--ntasks-per-node=4", "--cpus-per-task=8"},
            {"--ntasks-per-gpu", "--ntasks="},
        ),
        (
            {"device": "cuda", "nodes": 2, "train_threads": 8},
            {"--nodes=2", "--ntasks=2", "--cpus-per-task=8"},
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
    recipe = {"batch_size": 4, "accumulate_batches": 8}
    blocks = ("training", "optsimmim", "opttranslator")
    made = study(
        compute=compute, models={"m": {"weights": "optsimmim"}}, **dict.fromkeys(blocks, recipe)
    )
    devices = int(str(compute.get("devices", 1))) * int(str(compute.get("nodes", 1)))
    asking = [("finetune", None), ("pretrain_optsimmim", "optsimmim")]
    for rule, task in asking:
        asked_for = made.asks_for_training(rule, task)
        asked_for = {k: v(asked("m"), 1) if callable(v) else v for k, v in asked_for.items()}
        assert asked_for["gpu"] == (devices if compute.get("device") == "cuda" else 0)
        resources = _Resources({k: v for k, v in asked_for.items() if k != "scratch"})
        job = SimpleNamespace(resources=resources, threads=made.config.compute.threads_per_task)
        names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
        words = plugin.get_submit_command(job, dict.fromkeys(names, ""))
        assert f"--mem {asked_for['mem_mb']}" in words
        assert [word for word in expected if word not in words] == []
        assert [word for word in unwanted if word in words] == []


class _Resources(dict[str, object]):
    """Resources as Snakemake hands them to its plugins: by key and as attributes."""

    def __getattr__(self, name: str) -> object:
        return self[name]


def test_a_python_whose_path_the_shell_would_split_is_refused() -> None:
    for path in ("/usr/bin/python3", "/home/jané/env-1.0_x/bin/python3", "/a:b~/c@d/python"):
        assert subprocess.run(f"echo {path}", shell=True, capture_output=True).stdout == (
            f"{path}\n".encode()
        )
        require_usable_python(path)
    for path in ("/My Projects/bin/python", "/a(b)/python", "/a&b/python", "/a'b/python", "/$a/py"):
        with pytest.raises(UserError, match="jobs cannot be started"):
            require_usable_python(path)
        require_usable_python(path, in_environments=True)
