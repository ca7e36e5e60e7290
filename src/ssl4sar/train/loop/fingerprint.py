"""What decides the steps of a training, and with them whether a saved state can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from ssl4sar.config.pretext import PretextConfig
from ssl4sar.config.training import TrainingConfig

#: Keys of a recipe that say what happens when a training ends, and what is drawn meanwhile.
_NO_STEP: Final = frozenset({"early_stop_patience", "checkpoint", "panels", "panels_every_epochs"})


def training_fingerprint(parts: Mapping[str, Any]) -> str:
    """Return a SHA-256 of everything that decides the steps of a training."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def deciding_keys(recipe: TrainingConfig | PretextConfig) -> dict[str, Any]:
    """Return the keys of a recipe that decide the optimiser steps, as JSON values.

    A pretraining may be ended earlier or later than planned without another step being different,
    unless its learning rate follows a cosine over all epochs. A fine-tuning, which is short and is
    compared with others of the same length, counts its epochs.
    """
    ends_freely = isinstance(recipe, PretextConfig) and recipe.schedule != "cosine"
    left_out = _NO_STEP | {"epochs"} if ends_freely else _NO_STEP
    return recipe.model_dump(mode="json", exclude=set(left_out))
