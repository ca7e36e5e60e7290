"""Floor and trivial baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.zones import GLACIER, OCEAN
from ssl4sar.evaluate.baselines import (
    FLOOR,
    grey_baselines,
    otsu_threshold,
    score_baselines,
    shape_baselines,
)
from ssl4sar.evaluate.scoring import LabelFolders, score_folder
from ssl4sar.evaluate.summary import summarise


def test_all_baselines_go_through_the_same_path(folders) -> None:
    names = folders.labels.names()
    baselines = score_baselines(folders.labels, names, sar_path=folders.sar_path, workers=2)
    assert set(baselines) == {
        FLOOR,
        "all_glacier",
        "left_half_ocean",
        "right_half_ocean",
        "upper_half_ocean",
        "lower_half_ocean",
        "otsu_dark_ocean",
        "otsu_bright_ocean",
    }
    for baseline in baselines.values():
        assert [score.name for score in baseline.scores] == names
    assert baselines[FLOOR].scores == score_folder(folders.labels.zones, folders.labels, names)
    assert summarise(baselines["all_glacier"].scores).front.n_no_front == len(names)
    # In these scenes dark pixels are the ocean.
    dark = summarise(baselines["otsu_dark_ocean"].scores).segmentation.pooled["iou"]
    bright = summarise(baselines["otsu_bright_ocean"].scores).segmentation.pooled["iou"]
    assert dark["ocean"] == 1
    assert bright["ocean"] == 0


def test_without_sar_there_is_no_grey_baseline(folders) -> None:
    baselines = score_baselines(folders.labels, folders.labels.names())
    assert not any(key.startswith("otsu") for key in baselines)


def test_sar_of_another_size(folders) -> None:
    names = folders.labels.names()
    write_gray(folders.sar_path(names[0]), np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match="4x4 px, its zone mask 60x80"):
        score_baselines(folders.labels, names, sar_path=folders.sar_path)


@given(st.integers(2, 9), st.integers(2, 9))
def test_halves_are_complements(height_px: int, width_px: int) -> None:
    guesses = shape_baselines((height_px, width_px))
    for one, other in (("left", "right"), ("upper", "lower")):
        oceans = [guesses[f"{side}_half_ocean"] == OCEAN for side in (one, other)]
        np.testing.assert_array_equal(oceans[0], ~oceans[1])
    assert (guesses["left_half_ocean"][:, 0] == OCEAN).all()
    assert (guesses["upper_half_ocean"][0] == OCEAN).all()
    assert (guesses["all_glacier"] == GLACIER).all()


@given(arrays(np.uint8, (6, 7), elements=st.integers(0, 255)))
def test_threshold_maximises_the_variance_between_the_groups(sar: np.ndarray) -> None:
    values = sar[sar > 0].astype(float)

    def between(threshold: int) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        if not low.size or not high.size:
            return 0.0
        return low.size * high.size * (low.mean() - high.mean()) ** 2

    best = max((between(threshold) for threshold in range(256)), default=0.0)
    assert between(otsu_threshold(sar)) == pytest.approx(best)


@pytest.mark.parametrize("value", [0, 90])
def test_flat_image_has_one_group(value: int) -> None:
    guesses = grey_baselines(np.full((3, 3), value, np.uint8))
    assert all(len(np.unique(zones)) == 1 for zones in guesses.values())


@pytest.mark.slow
def test_floor_of_crane_at_80_m(test_data: Path) -> None:
    root = test_data / "caffe80" / "data_raw"
    labels = LabelFolders(root / "zones/test", root / "fronts/test", root / "bounding_boxes")
    baselines = score_baselines(labels, labels.names())
    assert summarise(baselines[FLOOR].scores).front.mde_m == pytest.approx(37, abs=0.5)
    left = summarise(baselines["left_half_ocean"].scores).front.mde_m
    assert left == pytest.approx(1900, rel=0.05)
