"""Starting points of the fine-tuning, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.config.pretraining import VARIANTS, Variant, starting_model
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]


def study(weights: str = "none", **pretraining: object) -> StudyConfig:
    model = {"weights": weights, "weights_file": "own.ckpt" if weights == "tyrion" else None}
    values = {"name": "x", "model": model, "pretraining": pretraining}
    return study_from(values, "x.yaml")


def test_imagenet_is_compared_where_there_are_weights() -> None:
    assert study("timm").compared == ("none", "imagenet", "optsimmim", "opttranslator")
    assert study("timm", compare=VARIANTS).compared == tuple(
        variant for variant in VARIANTS if variant != "checkpoint"
    )
    assert study("tyrion", compare=["imagenet", "checkpoint"]).compared == ("checkpoint",)
    assert study().compared == ("none", "optsimmim", "opttranslator")
    assert study(compare=["imagenet"]).compared == ()


@pytest.mark.parametrize(("variant", "weights"), [("imagenet", "tyrion"), ("checkpoint", "timm")])
def test_a_start_that_its_weights_do_not_give_is_refused(variant: str, weights: str) -> None:
    with pytest.raises(UserError, match=rf"{variant} needs model.weights .*, not {weights}"):
        study(weights, variant=variant)


@pytest.mark.parametrize(
    ("variant", "compare", "tasks"),
    [
        ("none", ["none", "imagenet"], ()),
        ("optsimmim", ["none"], ("optsimmim",)),
        ("none", ["opttranslator"], ("opttranslator",)),
        # In the order of the paper, whatever the order of the comparison.
        ("opttranslator", ["optsimmim"], ("optsimmim", "opttranslator")),
    ],
)
def test_what_starts_a_fine_tuning_is_pretrained(
    variant: str, compare: list[str], tasks: tuple[str, ...]
) -> None:
    assert study(variant=variant, compare=compare).pretext_tasks == tasks


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("none", {"weights": "none", "weights_file": None, "legacy_post_norm_ones": True}),
        # The gains of a file replace those of the block.
        ("imagenet", {"weights": "timm", "weights_file": "w", "legacy_post_norm_ones": False}),
        ("checkpoint", {"weights": "timm", "weights_file": "w", "legacy_post_norm_ones": False}),
        ("optsimmim", {"weights": "tyrion", "weights_file": "w", "legacy_post_norm_ones": False}),
    ],
)
def test_a_job_takes_the_weights_that_it_was_given(
    variant: Variant, expected: dict[str, object]
) -> None:
    block = {"weights": "timm", "weights_file": None, "legacy_post_norm_ones": True, "depths": [1]}
    before = dict(block)
    assert starting_model(block, variant, ["w"]) == {**expected, "depths": [1]}
    assert block == before


@pytest.mark.parametrize("task", ["optsimmim", "opttranslator"])
def test_recipes_of_the_pretext_tasks_are_the_published_ones(task: str) -> None:
    recipe = getattr(study(), task)
    assert recipe.batch_size * recipe.accumulate_batches == 32
    assert (recipe.epochs, recipe.samples_per_epoch, recipe.min_scale) == (1000, 76_496, 0.7)
    assert (recipe.optimiser, recipe.momentum, recipe.weight_decay) == ("sgd", 0.9, 1e-4)
    assert (recipe.schedule, recipe.plateau_factor, recipe.plateau_patience) == ("plateau", 0.5, 5)
    own = {"optsimmim": (0.001, None), "opttranslator": (0.005, 100)}[task]
    assert (recipe.learning_rate, recipe.early_stop_patience) == own


@pytest.mark.parametrize(
    "block",
    [
        {"legacy_post_norm_ones": True},
        {"weights": "timm", "legacy_post_norm_ones": True},
        {"weights": "timm"},
        {},
    ],
)
@pytest.mark.parametrize("variant", ["none", "optsimmim", "opttranslator"])
def test_the_block_of_a_starting_point_is_a_valid_network(
    variant: Variant, block: dict[str, object]
) -> None:
    before = TyrionConfig.model_validate(block)
    plain = before.model_dump(mode="json")
    made = TyrionConfig.model_validate(starting_model(plain, variant, ["w"]))
    # All but its start is the network of the configuration.
    start = {"weights": "none", "weights_file": None, "legacy_post_norm_ones": False}
    assert made.model_copy(update=start) == before.model_copy(update=start)
    expected = ("none", None) if variant == "none" else ("tyrion", "w")
    assert (made.weights, made.weights_file) == expected
    random = variant == "none"
    assert made.legacy_post_norm_ones is (random and before.legacy_post_norm_ones)


def test_the_published_recipe_starts_random_networks_like_the_original() -> None:
    path = PROJECT / "config" / "paper.yaml"
    model = study_from(read_config(path), path).model
    assert (model.weights, model.legacy_post_norm_ones) == ("timm", True)


def test_a_task_that_is_not_trained_need_not_fit_the_processes() -> None:
    values = {
        "compute": {"devices": 3},
        "training": {"batch_size": 3},
        "optsimmim": {"batch_size": 4, "accumulate_batches": 1},
    }
    with pytest.raises(UserError, match=r"3 processes cannot share optsimmim\.batch_size 4"):
        study_from({"name": "x", **values}, "x.yaml")
    nothing = {"variant": "none", "compare": ["none"]}
    assert study_from({"name": "x", **values, "pretraining": nothing}, "x.yaml")


def test_faults_of_the_original_are_mended_unless_asked_for() -> None:
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
def test_values_without_sense_are_told_in_one_line(values: dict[str, object], told: str) -> None:
    with pytest.raises(UserError) as caught:
        study_from({"name": "x", **values}, "x.yaml")
    assert f"x.yaml: {told}: " in str(caught.value)
    assert "\n" not in str(caught.value)
