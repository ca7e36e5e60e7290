"""Scores of made-up runs, given by what is wanted of them."""

from __future__ import annotations

from collections.abc import Sequence

from ssl4sar.evaluate.comparison import ModelScores
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.schema import Model, PretrainedCheckpoint, Pretraining
from ssl4sar.evaluate.scoring import ImageScore

NAMES = ("COL_2011-06-18_TDX_20_1_024", "Mapple_2011-12-18_TSX_20_2_034")


def image(name: str, mde_m: float | None, wrong_px: int = 100) -> ImageScore:
    """Return the score of an image whose zones have ``wrong_px`` of 1000 pixels wrong.

    All its distances are equal: its front is found within 500 m, or all of it is missed.
    """
    count = 0 if mde_m is None else 10
    half = wrong_px // 2
    near_px = 5 if mde_m is not None and mde_m < 500 else 0
    confusion = (
        (0, 0, 0, 0),
        (0, 0, 0, 0),
        (0, 0, 500 - half, half),
        (0, 0, half, 500 - half),
    )
    return ImageScore(
        name=name,
        height_px=20,
        width_px=50,
        mde_m=mde_m,
        n_distances=count,
        sum_m=count * (mde_m or 0.0),
        sum_squares_m2=count * (mde_m or 0.0) ** 2,
        max_m=mde_m,
        predicted_to_true_m=mde_m,
        true_to_predicted_m=mde_m,
        predicted_front_px=count // 2,
        predicted_front_near_px=near_px,
        predicted_front_before_box_px=count // 2,
        true_front_px=5,
        true_front_near_px=near_px,
        confusion=confusion,
    )


def run(seed: int, mde_m: float | None, wrong_px: int = 100) -> RunScores:
    """Return a run over two images with that mean distance error."""
    return RunScores(f"seed{seed}", [image(name, mde_m, wrong_px) for name in NAMES])


def scored(
    name: str,
    mde_m: Sequence[float | None],
    wrong_px: Sequence[int] | None = None,
    **model: object,
) -> ModelScores:
    """Return a model that starts from random weights with its runs, seeds from 0.

    Args:
        name: name of the model.
        mde_m: mean distance error of each run.
        wrong_px: wrong pixels of each run.
        model: what is different in its facts.
    """
    wrong = wrong_px or [100] * len(mde_m)
    facts = {
        "name": name,
        "network": {"name": "tyrion", "input_px": 64},
        "parameters": 1000,
        "weights": "none",
        "recipe": {"epochs": 2},
        "weights_sha256": [None] * len(mde_m),
        "pretraining": None,
        "test_glaciers_seen": [],
        **model,
    }
    runs = [run(i, m, w) for i, (m, w) in enumerate(zip(mde_m, wrong, strict=True))]
    return ModelScores(Model.model_validate(facts), runs)


def pretrained(
    task: str,
    mde_m: Sequence[float | None],
    *,
    own: bool = False,
    synthetic: bool = False,
    **model: object,
) -> ModelScores:
    """Return a model named after its pretext task, whose runs share a pretraining or have own."""
    hashes = [f"{i if own else 0:x}" * 64 for i in range(len(mde_m))]
    pretraining = Pretraining(
        task=task,
        checkpoints=[
            PretrainedCheckpoint(sha256=sha256, epochs=8, validation_loss=0.05)
            for sha256 in dict.fromkeys(hashes)
        ],
        started_from="ImageNet weights",
        source="synthetic" if synthetic else "zenodo",
        synthetic=synthetic,
        excluded_glaciers=["Columbia"],
        left_out_images=[],
    )
    facts = {"weights": task, "weights_sha256": hashes, "pretraining": pretraining, **model}
    return scored(task, mde_m, **facts)
