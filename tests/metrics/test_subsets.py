"""Subsets of the images and their errors."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ssl4sar.core.scene_name import SceneName
from ssl4sar.metrics.distances import DistanceSums
from ssl4sar.metrics.subsets import (
    FrontError,
    SubsetError,
    by_subset,
    near_px,
    subset_error,
    subset_names,
    subsets_of,
)


def image(
    name: str,
    distances_m: list[float],
    true_front_px: int = 10,
    true_near: int = 0,
    predicted: tuple[int, int] = (0, 0),
) -> FrontError:
    """Return what an image contributes; ``predicted``: front pixels, and those near the truth."""
    sums = DistanceSums.of(np.array(distances_m))
    return FrontError(SceneName.parse(name), sums, true_front_px, true_near, *predicted)


def subset_errors(images: list[FrontError]) -> dict[str, SubsetError]:
    return {name: subset_error(members) for name, members in by_subset(images).items()}


IMAGES = [
    image("COL_2011-06-18_TDX_7_1_024", [10.0, 30.0], 40, 30, (25, 5)),
    image("COL_2011-12-18_S1_20_1_024", [100.0], 10, 10, (5, 5)),
    image("Mapple_2011-12-18_TSX_7_1_024", []),
]


def test_official_number_of_subsets() -> None:
    names = subset_names()
    assert len(names) == len(set(names)) == 112


def test_every_scene_is_in_eight_known_subsets() -> None:
    for contribution in IMAGES:
        found = subsets_of(contribution.scene)
        assert len(found) == 8
        assert set(found) <= set(subset_names())


def test_pooled_mean_weighs_pixels_not_images() -> None:
    error = subset_error(IMAGES)
    assert (error.n_images, error.n_no_front, error.n_distances) == (3, 1, 3)
    assert error.mde_m == pytest.approx(140 / 3)
    assert error.mde_image_mean_m == pytest.approx((20 + 100) / 2)
    assert error.mde_length_weighted_m == pytest.approx((20 * 40 + 100 * 10) / 50)
    assert error.std_m == pytest.approx(np.std([10, 30, 100]))


def test_front_pixels_of_an_image_without_a_prediction_are_missed() -> None:
    errors = subset_errors(IMAGES)
    everything, columbia, mapple = (errors[k] for k in ("all", "glacier=COL", "glacier=Mapple"))
    assert (everything.front_recall_500m, everything.front_precision_500m) == (40 / 60, 10 / 30)
    assert (columbia.front_recall_500m, columbia.front_precision_500m) == (40 / 50, 10 / 30)
    assert (mapple.front_recall_500m, mapple.front_precision_500m) == (0, None)
    # Without a labelled front the prediction is wrong, and nothing could be found.
    unlabelled = subset_error([image("COL_2011-06-18_TDX_7_1_024", [], 0, 0, (30, 0))])
    assert (unlabelled.front_recall_500m, unlabelled.front_precision_500m) == (None, 0)


def test_near_is_less_than_500_m() -> None:
    assert near_px(np.array([0.0, 499.99, 500.0, 500.01, 3000.0])) == 2
    assert near_px(np.zeros(0)) == 0


def test_members_by_season_glacier_sensor_and_resolution() -> None:
    errors = subset_errors(IMAGES)
    assert errors["season=summer"].n_images == 2
    assert errors["season=winter"].n_images == 1
    assert errors["glacier=COL"].n_images == 2
    assert errors["sensor=TSX/TDX"].n_images == 2
    assert errors["glacier=COL,resolution=20"].mde_m == 100
    assert errors["glacier=Mapple"].mde_m is None
    assert errors["glacier=Mapple"].n_no_front == 1
    assert "glacier=SI" not in errors


def test_resampled_scenes_get_a_subset_of_their_own() -> None:
    errors = subset_errors([image("Crane_2011-06-18_TSX_80_1_024", [1.0])])
    assert errors["resolution=80"].mde_m == 1
    assert errors["glacier=Crane,resolution=80"].mde_m == 1


def test_order_of_images_has_no_effect() -> None:
    rng = np.random.default_rng(3)
    images = [
        image(f"{g}_2011-{m:02d}-18_TSX_7_1_024", list(rng.uniform(0, 900, m)), m)
        for g in ("COL", "JAC", "SI")
        for m in range(1, 13)
    ]
    shuffled = random.Random(1).sample(images, len(images))
    assert subset_errors(shuffled) == subset_errors(images)


def test_no_images() -> None:
    error = subset_error([])
    assert (error.n_images, error.mde_m, error.mde_length_weighted_m) == (0, None, None)
    assert (error.front_recall_500m, error.front_precision_500m) == (None, None)
