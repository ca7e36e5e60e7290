"""Models are rows, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.models import ModelRow, member_of, seed_of, starting_weights
from ssl4sar.config.networks import AsppUnetConfig, TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
UNET = {"network": {"name": "aspp_unet"}}


def study(**values: object) -> StudyConfig:
    return study_from({"name": "x", **values}, "x.yaml")


def rows(*weights: str) -> dict[str, dict[str, object]]:
    return {f"m_{each}": {"weights": each} for each in weights}


def test_all_models_of_the_network_of_the_result_are_compared_unless_others_are_named() -> None:
    models = {**rows("none", "optsimmim"), "unet": UNET}
    assert study(models=models).main == "m_none"
    assert study(models=models).compared == ("m_none", "m_optsimmim")
    assert study(models=models, model="unet").compared == ("unet",)
    chosen = study(models=models, model="unet", compare=["m_none"])
    assert (chosen.compared, chosen.wanted) == (("m_none",), ("unet", "m_none"))


@pytest.mark.parametrize(
    ("model", "compare", "tasks"),
    [
        ("m_none", ["m_none"], ()),
        ("m_optsimmim", ["m_none"], ("optsimmim",)),
        ("m_none", ["m_opttranslator"], ("opttranslator",)),
        # In the order of the paper, whatever the order of the models.
        ("m_opttranslator", ["m_optsimmim"], ("optsimmim", "opttranslator")),
    ],
)
def test_what_models_behind_the_results_start_from_is_pretrained(
    model: str, compare: list[str], tasks: tuple[str, ...]
) -> None:
    models = rows("none", "opttranslator", "optsimmim")
    assert study(models=models, model=model, compare=compare).pretext_tasks == tasks


def test_a_model_changes_keys_of_the_recipe_and_has_seeds_of_its_own() -> None:
    row = {"recipe": {"epochs": 7, "augmentation": {"flip_probability": 0.1}}, "seeds": [4]}
    made = study(models={"a": {}, "b": row}, training={"batch_size": 3})
    recipe = made.recipe_of("b")
    assert (recipe.epochs, recipe.batch_size) == (7, 3)
    assert recipe.augmentation.flip_probability == 0.1
    assert recipe.augmentation.rotation_probability == 0.5
    assert made.recipe_of("a") == made.training
    resolved = made.resolved()
    assert resolved["models"]["b"]["recipe"] == recipe.model_dump(mode="json")
    assert [resolved["models"][name]["seeds"] for name in "ab"] == [[0, 1], [4]]
    assert (resolved["model"], resolved["compare"]) == ("a", ["a", "b"])
    assert resolved["pretraining"]["network"] is None


def test_the_pretext_tasks_train_the_network_of_the_models_that_start_from_them() -> None:
    network = {"name": "tyrion", "dropout": 0.2}
    models = {"a": {}, "b": {"network": network, "weights": "optsimmim"}}
    assert study(models=models).resolved()["pretraining"]["network"]["dropout"] == 0.2
    models["c"] = {"weights": "opttranslator"}
    with pytest.raises(
        UserError, match=r"models: b, c start from a pretext task, which trains one"
    ):
        study(models=models)


def test_a_temporal_network_shares_the_pretraining_of_its_single_image_network() -> None:
    lean = {"name": "temporal_tyrion", "temporal": "gru", "decoder": "lean"}
    models = {
        "series": {"network": {"name": "temporal_tyrion"}, "weights": "optsimmim"},
        "lean": {"network": lean, "weights": "optsimmim"},
        "alone": {"weights": "optsimmim"},
    }
    made = study(models=models)
    assert made.pretrained_network == TyrionConfig()
    assert made.resolved()["pretraining"]["network"]["name"] == "tyrion"
    assert [row.network.is_temporal for row in made.models.values()] == [True, True, False]
    models["alone"]["network"] = {"name": "tyrion", "dropout": 0.2}
    with pytest.raises(UserError, match=r"models: series, lean, alone start from a pretext task"):
        study(models=models)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"models": {"a": {**UNET, "weights": "imagenet"}}}, r"aspp_unet cannot start from imagen"),
        ({"models": {"a": {**UNET, "weights": "optsimmim"}}}, r"optsimmim cannot train aspp_unet"),
        ({"models": {"a": {"weights": "checkpoint"}}}, r"models\.a\.weights_file is missing"),
        (
            {"models": {"a": {"weights_file": "w"}}},
            r"weights_file has no meaning with weights none",
        ),
        (
            {"models": {"a": {"network": {"name": "resnet"}}}},
            r"models\.a\.network\.name: resnet is not one of tyrion, temporal_tyrion, "
            r"aspp_unet;",
        ),
        (
            {"models": {"a": {"network": {"name": "asp_unet"}}}},
            r"asp_unet is not one of .* \(did you mean aspp_unet\?\)",
        ),
        ({"models": {"a": {"network": {"input_px": 64}}}}, r"models\.a\.network\.name is missing"),
        (
            {"models": {"a": {"network": {"name": "tyrion", "embed_dimm": 8}}}},
            r"network\.embed_dimm",
        ),
        (
            {"models": {"a": {"network": {"name": "aspp_unet", "input_px": 200}}}},
            r"cannot be halved",
        ),
        (
            {"models": {"a": {**UNET, "recipe": {"batch_size": 1, "target_px": 64}}}},
            r"models\.a: aspp_unet normalises over the batch and needs at least 2 crops",
        ),
        ({"models": {"a": {"recipe": {"epoch": 3}}}}, r"models\.a\.recipe\.epoch: is not a key"),
        ({"models": {"a": {"recipe": {"epochs": 0}}}}, r"models\.a\.recipe\.epochs: Input should"),
        (
            {"models": {"a": {"recipe": {"target_px": 600}}}},
            r"larger than models\.a\.network\.input",
        ),
        ({"models": {"a": {"seeds": [1, 1]}}}, r"models\.a\.seeds: need different"),
        ({"models": {"A b": {}}}, r"A b"),
        ({"models": {}}, r"models: "),
        ({"model": "b"}, r"model: b is not one of the models \(tyrion\)"),
        ({"compare": ["b"]}, r"compare: b is not one of the models \(tyrion\)"),
        ({"compare": ["tyrion", "tyrion"]}, r"compare: name every model once"),
        ({"pretraining": {"variant": "none"}}, r"pretraining\.variant is not a known key"),
    ],
)
def test_a_row_that_cannot_be_is_one_line_with_its_place(values: dict, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        study(**values)
    assert "\n" not in str(caught.value)


def test_a_job_takes_the_weights_that_it_was_given() -> None:
    network = TyrionConfig(legacy_post_norm_ones=True)
    settings, weights = starting_weights(network, "none", [])
    assert (settings, weights.kind, weights.file) == (network, "none", None)
    for name, kind in (("imagenet", "imagenet"), ("optsimmim", "checkpoint")):
        settings, weights = starting_weights(network, name, ["w"])
        assert (weights.kind, weights.file) == (kind, "w")
        # The gains of the file replace those of the settings.
        assert settings == network.model_copy(update={"legacy_post_norm_ones": False})
    assert starting_weights(AsppUnetConfig(), "none", [])[0] == AsppUnetConfig()


def test_a_member_is_named_after_its_seed() -> None:
    assert (member_of(12), seed_of("seed12")) == ("seed12", 12)
    assert ModelRow().seeds is None


@pytest.mark.parametrize("task", ["optsimmim", "opttranslator"])
def test_recipes_of_the_pretext_tasks_are_the_published_ones(task: str) -> None:
    recipe = getattr(study(), task)
    assert recipe.batch_size * recipe.accumulate_batches == 32
    assert (recipe.epochs, recipe.samples_per_epoch, recipe.min_scale) == (1000, 76_496, 0.7)
    assert (recipe.optimiser, recipe.momentum, recipe.weight_decay) == ("sgd", 0.9, 1e-4)
    assert (recipe.schedule, recipe.plateau_factor, recipe.plateau_patience) == ("plateau", 0.5, 5)
    own = {"optsimmim": (0.001, None), "opttranslator": (0.005, 100)}[task]
    assert (recipe.learning_rate, recipe.early_stop_patience) == own


def test_the_published_recipe_starts_random_networks_like_the_original() -> None:
    path = PROJECT / "config" / "paper.yaml"
    paper = study_from(read_config(path), path)
    row = paper.models["tyrion_none"]
    assert isinstance(row.network, TyrionConfig)
    assert (row.weights, row.network.legacy_post_norm_ones) == ("none", True)
    assert paper.pretraining.weights == "imagenet"
    # With the parameters of the publication, which the parity tests build.
    assert row.network == TyrionConfig(legacy_post_norm_ones=True)


def test_a_task_that_is_not_trained_need_not_fit_the_processes() -> None:
    values = {
        "compute": {"devices": 3},
        "training": {"batch_size": 3},
        "optsimmim": {"batch_size": 4, "accumulate_batches": 1},
    }
    with pytest.raises(UserError, match=r"3 processes cannot share optsimmim\.batch_size 4"):
        study(models=rows("optsimmim"), **values)
    assert study(models=rows("none"), **values)


def test_faults_of_the_original_are_fixed_unless_asked_for() -> None:
    for recipe in (OptSimMIMConfig(), OptTranslatorConfig()):
        legacy = [name for name in type(recipe).model_fields if name.startswith("legacy_")]
        assert legacy
        assert not any(getattr(recipe, name) for name in legacy)
        assert recipe.ignore_no_data
    assert OptSimMIMConfig().mask_ratio == 0.3


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"opttranslator": {"min_scale": 0}}, "opttranslator.min_scale"),
        ({"opttranslator": {"plateau_factor": 1.0}}, "opttranslator.plateau_factor"),
        ({"optsimmim": {"early_stop_patience": 0}}, "optsimmim.early_stop_patience"),
        ({"optsimmim": {"checkpoint": "best_mde"}}, "optsimmim.checkpoint"),
        ({"pair_scene": {"spacing_m": 50}}, "pair_scene.spacing_m"),
        ({"pair_scene": {"glaciers": 0}}, "pair_scene.glaciers"),
    ],
)
def test_values_without_sense_are_reported_in_one_line(
    values: dict[str, object], told: str
) -> None:
    with pytest.raises(UserError) as caught:
        study(**values)
    assert f"x.yaml: {told}: " in str(caught.value)
    assert "\n" not in str(caught.value)
