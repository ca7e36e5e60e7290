"""Headline numbers of scored images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssl4sar.evaluate.scoring import LabelFolders, score_folder
from ssl4sar.evaluate.summary import summarise


def test_golden_headline(test_data: Path) -> None:
    golden = test_data / "golden"
    labels = LabelFolders(golden / "zones", golden / "fronts", golden / "bounding_boxes")
    summary = summarise(score_folder(golden / "predictions", labels, labels.names()))
    official = json.loads((golden / "cases.json").read_text())
    assert vars(summary.front) == pytest.approx(official["subsets"]["all"], rel=1e-6)
    average = official["segmentation_mean"]["Average IoU"]
    assert summary.iou_image_mean == pytest.approx(average, abs=1e-5)
    assert 0 < summary.iou_pooled < 1


def test_order_of_images_has_no_effect(scores) -> None:
    one, other = summarise(scores), summarise(scores[::-1])
    assert one.front == other.front
    assert one.segmentation.pooled == other.segmentation.pooled


def test_no_images() -> None:
    summary = summarise([])
    assert summary.front.mde_m is None
    assert summary.iou_pooled is None
    assert summary.iou_image_mean is None
