"""Records of made-up trainings, as fine-tunings leave them beside their checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_KINDS = {"none": "none", "imagenet": "imagenet"}


def dataset(glaciers: Sequence[str] = ("A", "B"), **changes: object) -> dict[str, Any]:
    """Return the facts of a dataset for the pretraining."""
    return {
        "source": "zenodo",
        "synthetic": False,
        "glaciers": list(glaciers),
        "images": {"train": 6, "val": 2},
        "excluded": ["Columbia"],
        "left_out": ["unlabeled_data_raw_train/S1_A_1.png"],
        "allow_test_glaciers": False,
        "included_test_glaciers": [],
        **changes,
    }


def record(weights: str, seed: int, pairs: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the record of a run of a model that is named after its weights.

    Args:
        weights: starting weights.
        seed: seed of the run.
        pairs: facts of the dataset of its pretraining; None: there was none.
    """
    pretraining = None
    sha256 = None if weights == "none" else weights[0].encode().hex()[:1] * 64
    if pairs is not None:
        pretraining = {
            "task": weights,
            "epoch": 5,
            "validation": {"loss": 0.03, "tiles": 9},
            "starting_weights": {"source": "imagenet", "sha256": "1" * 64, "glaciers": []},
            "sha256": sha256,
            "dataset": pairs,
        }
    return {
        "schema": "ssl4sar.trained-model/2",
        "model": weights,
        "network": {"name": "tyrion", "input_px": 64},
        "weights": weights,
        "recipe": {"epochs": 2},
        "parameters": 1000,
        "seed": seed,
        "epoch": 2,
        "starting_weights": {
            "source": _KINDS.get(weights, "checkpoint"),
            "sha256": sha256,
            "glaciers": [],
        },
        "pretraining": pretraining,
    }


def write_record(path: Path, content: dict[str, Any]) -> Path:
    """Write a record and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
