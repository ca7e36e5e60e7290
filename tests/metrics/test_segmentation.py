"""Zone scores from one confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssl4sar.core.zones import CLASS_NAMES
from ssl4sar.metrics.segmentation import (
    MEASURES,
    ClassScores,
    confusion_matrix,
    image_mean_table,
    pooled_table,
)

confusions = arrays(np.int64, (4, 4), elements=st.integers(0, 50))
zone_pairs = arrays(
    np.uint8,
    st.tuples(st.just(2), st.integers(1, 8), st.integers(1, 8)),
    elements=st.integers(0, 3),
)


@settings(deadline=None)
@given(zone_pairs)
def test_confusion_counts_every_pixel_once(pair: np.ndarray) -> None:
    truth, predicted = pair
    confusion = confusion_matrix(truth, predicted)
    for true_class in range(4):
        for predicted_class in range(4):
            together = (truth == true_class) & (predicted == predicted_class)
            assert confusion[true_class, predicted_class] == together.sum()


def test_confusion_of_a_large_image_counts_every_pixel() -> None:
    truth = np.random.default_rng(0).integers(0, 4, (1100, 1300)).astype(np.uint8)
    confusion = confusion_matrix(truth, truth)
    np.testing.assert_array_equal(np.diag(confusion), np.bincount(truth.ravel()))
    assert confusion.sum() == truth.size


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))


@pytest.mark.slow  # importing torch
@settings(max_examples=40, deadline=None)
@given(zone_pairs)
def test_absent_as_zero_equals_torchmetrics(pair: np.ndarray) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch = pytest.importorskip("torch")
    truth, predicted = (torch.from_numpy(mask.astype(np.int64)) for mask in pair)
    theirs = {
        "precision": functional.multiclass_precision,
        "recall": functional.multiclass_recall,
        "f1": functional.multiclass_f1_score,
        "iou": functional.multiclass_jaccard_index,
    }
    table = ClassScores.of(confusion_matrix(*pair)).table("zero")
    for measure, function in theirs.items():
        expected = function(predicted, truth, num_classes=4, average="none").tolist()
        assert [table[measure][name] for name in CLASS_NAMES] == pytest.approx(expected, abs=1e-6)
        assert table[measure]["average"] == pytest.approx(np.mean(expected), abs=1e-6)


@given(confusions)
def test_measures_agree_with_each_other(confusion: np.ndarray) -> None:
    scores = ClassScores.of(confusion)
    with np.errstate(invalid="ignore", divide="ignore"):
        np.testing.assert_allclose(scores.f1, 2 * scores.iou / (1 + scores.iou))
        assert not (scores.iou > np.minimum(scores.precision, scores.recall) + 1e-12).any()
    for measure in MEASURES:
        values = scores.measure(measure)
        assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()


def test_absent_classes_count_zero_or_are_skipped() -> None:
    confusion = np.diag([0, 10, 20, 30])
    assert ClassScores.of(confusion).table("zero")["iou"] == {
        "average": 0.75,
        "na": 0.0,
        "rock": 1.0,
        "glacier": 1.0,
        "ocean": 1.0,
    }
    assert ClassScores.of(confusion).table("skipped")["iou"] == {
        "average": 1.0,
        "na": None,
        "rock": 1.0,
        "glacier": 1.0,
        "ocean": 1.0,
    }


def test_a_class_that_is_only_predicted_is_not_absent() -> None:
    confusion = np.zeros((4, 4), int)
    confusion[2, 2], confusion[2, 0] = 30, 10
    row = ClassScores.of(confusion).table("skipped")["iou"]
    assert row["na"] == 0.0
    assert row["average"] == pytest.approx((0 + 0.75) / 2)


def test_pooled_differs_from_the_mean_of_images() -> None:
    small, large = np.diag([0, 0, 1, 1]), np.zeros((4, 4), int)
    large[2, 2], large[2, 3], large[3, 3] = 60, 20, 20
    pooled = pooled_table([small, large])["iou"]
    assert pooled["glacier"] == pytest.approx(61 / 81)
    assert pooled["na"] is None
    means = image_mean_table([small, large], "skipped")["iou"]
    assert means["glacier"] == pytest.approx((1 + 0.75) / 2)
    assert means["na"] is None
    strict = image_mean_table([small, large], "zero")["iou"]
    assert strict["na"] == 0.0
    assert strict["average"] == pytest.approx(means["average"] / 2)


@given(st.lists(confusions, min_size=1, max_size=5))
def test_order_of_images_has_no_effect(images: list) -> None:
    turned = images[::-1]
    assert pooled_table(images) == pooled_table(turned)
    for rule in ("zero", "skipped"):
        ours, theirs = image_mean_table(images, rule), image_mean_table(turned, rule)
        for measure in MEASURES:
            assert ours[measure] == pytest.approx(theirs[measure])


def test_no_images_give_no_scores() -> None:
    assert pooled_table([])["iou"]["average"] is None
    assert image_mean_table([], "zero")["iou"]["average"] is None
