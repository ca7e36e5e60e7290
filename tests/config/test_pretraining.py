"""Starting points of the fine-tuning, and what follows from them."""

from __future__ import annotations

import pytest

from ssl4sar.config.loading import study_from
from ssl4sar.config.pretraining import VARIANTS, Variant, starting_model
from ssl4sar.config.study import StudyConfig


def study(weights: str = "none", **pretraining: object) -> StudyConfig:
    values = {"name": "x", "model": {"weights": weights}, "pretraining": pretraining}
    return study_from(values, "x.yaml")


def test_imagenet_is_compared_where_there_are_weights() -> None:
    assert study("timm").compared == VARIANTS
    assert study().compared == ("none", "optsimmim", "opttranslator")
    assert study(compare=["imagenet"]).compared == ()


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
        ("imagenet", {"weights": "timm", "weights_file": "w", "legacy_post_norm_ones": True}),
        # The gains of a checkpoint replace those of the block.
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
