"""What a kept state depends on: all that changes a step, and nothing else."""

from __future__ import annotations

import pytest

from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.train.loop.fingerprint import deciding_keys, training_fingerprint

RECIPES = (OptSimMIMConfig(), OptTranslatorConfig(), TrainingConfig())


def test_fingerprint_follows_content_not_order():
    base = training_fingerprint({"seed": 1, "model": {"a": 1, "b": 2}})
    assert base == training_fingerprint({"model": {"b": 2, "a": 1}, "seed": 1})
    assert base != training_fingerprint({"seed": 1, "model": {"a": 2, "b": 1}})
    assert base != training_fingerprint({"seed": 2, "model": {"a": 1, "b": 2}})


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: type(recipe).__name__)
def test_all_keys_decide_but_those_of_the_end_and_of_pictures(recipe):
    names = set(type(recipe).model_fields)
    decide = names - {"early_stop_patience", "checkpoint", "panels", "panels_every_epochs"}
    # Only pretrainings may be ended early: a fine-tuning is compared with others of its length.
    free = set() if isinstance(recipe, TrainingConfig) else {"epochs"}
    assert deciding_keys(recipe).keys() == decide - free
    # A cosine is stretched over all epochs.
    cosine = recipe.model_copy(update={"schedule": "cosine"})
    assert deciding_keys(cosine).keys() == decide
    assert deciding_keys(cosine) != deciding_keys(cosine.model_copy(update={"epochs": 7}))


def test_values_are_those_of_json():
    training_fingerprint({"recipe": deciding_keys(TrainingConfig())})
    slower = OptTranslatorConfig(learning_rate=0.001)
    assert deciding_keys(slower) != deciding_keys(OptTranslatorConfig())
