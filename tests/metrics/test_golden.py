"""The benchmark's own outputs on twenty synthetic scenes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.gray_png import read_gray
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import classes_from_greys, greys_from_classes
from ssl4sar.metrics.distances import DistanceSums, front_distances
from ssl4sar.metrics.fronts import extract_front
from ssl4sar.metrics.segmentation import ClassScores, confusion_matrix, image_mean_table
from ssl4sar.metrics.subsets import (
    FrontError,
    by_subset,
    near_px,
    subset_error,
    subset_names,
)

METRES = 1e-6
SHARE = 1e-5


@pytest.fixture(scope="module")
def golden(test_data: Path) -> Path:
    return test_data / "golden"


@pytest.fixture(scope="module")
def table(golden: Path) -> dict:
    return json.loads((golden / "cases.json").read_text())


@pytest.fixture(scope="module")
def scored(golden: Path, table: dict) -> dict:
    results = {}
    for case in table["cases"]:
        name = case["name"]
        scene = SceneName.parse(name)

        def zones(path: Path) -> np.ndarray:
            return classes_from_greys(read_gray(path), path)

        truth = zones(golden / "zones" / f"{name}_zones.png")
        predicted = zones(golden / "predictions" / f"{name}.png")
        box = BoundingBox.read(golden / "bounding_boxes" / f"{name}_front_extent_coord.txt")
        extracted = extract_front(predicted, scene.resolution_m, box.window(*truth.shape, name))
        true_front = read_gray(golden / "fronts" / f"{name}_front.png") > 0
        results[name] = {
            "scene": scene,
            "extracted": extracted,
            "true_front": true_front,
            "distances": front_distances(extracted.front, true_front, scene.resolution_m),
            "confusion": confusion_matrix(truth, predicted),
        }
    return results


def test_masks_are_identical(golden: Path, table: dict, scored: dict) -> None:
    assert len(scored) == 20
    for case in table["cases"]:
        extracted = scored[case["name"]]["extracted"]
        masks = {
            "post_zones": greys_from_classes(extracted.zones),
            "front_raw": extracted.front_raw.astype(np.uint8) * 255,
            "front": extracted.front.astype(np.uint8) * 255,
        }
        for key, mask in masks.items():
            digest = hashlib.sha256(np.ascontiguousarray(mask).tobytes()).hexdigest()
            assert digest == case["official"]["sha256"][key], (case["name"], key)


def test_distances(table: dict, scored: dict) -> None:
    for case in table["cases"]:
        official, result = case["official"], scored[case["name"]]
        assert result["true_front"].sum() == official["gt_front_pixels"]
        assert result["extracted"].front.sum() == official["front_pixels"]
        distances = result["distances"]
        if not official["front_exists"]:
            assert distances is None
            continue
        measured = {
            "mean_error_m": distances.all_m.mean(),
            "sum_error_m": distances.all_m.sum(),
            "max_error_m": distances.all_m.max(),
            "mean_pred_to_gt_m": distances.predicted_to_true_m.mean(),
            "mean_gt_to_pred_m": distances.true_to_predicted_m.mean(),
        }
        assert len(distances.all_m) == official["n_distances"]
        assert measured == {key: pytest.approx(official[key], rel=METRES) for key in measured}


def test_segmentation_per_image(table: dict, scored: dict) -> None:
    for case in table["cases"]:
        measured = ClassScores.of(scored[case["name"]]["confusion"]).table("zero")
        for measure, row in case["official"]["segmentation"].items():
            assert measured[measure] == pytest.approx(row, abs=SHARE), case["name"]


def test_segmentation_mean(table: dict, scored: dict) -> None:
    measured = image_mean_table([result["confusion"] for result in scored.values()], "zero")
    measures = {"Precision": "precision", "Recall": "recall", "F1": "f1", "IoU": "iou"}
    classes = {
        "": "average",
        "NA Area": "na",
        "Stone": "rock",
        "Glacier": "glacier",
        "Ocean and Ice Melange": "ocean",
    }
    expected = table["segmentation_mean"]
    assert len(expected) == 20
    for key, value in expected.items():
        _, measure, *rest = key.split(" ", maxsplit=2)
        column = classes[rest[0] if rest else ""]
        assert measured[measures[measure]][column] == pytest.approx(value, abs=SHARE)


def contribution(result: dict) -> FrontError:
    distances = result["distances"]
    return FrontError(
        scene=result["scene"],
        sums=DistanceSums.of(distances.all_m) if distances else DistanceSums(),
        true_front_px=int(result["true_front"].sum()),
        true_front_near_px=near_px(distances.true_to_predicted_m) if distances else 0,
        predicted_front_px=int(result["extracted"].front.sum()),
        predicted_front_near_px=near_px(distances.predicted_to_true_m) if distances else 0,
    )


def test_subset_table(table: dict, scored: dict) -> None:
    measured = {
        name: subset_error(images)
        for name, images in by_subset([contribution(result) for result in scored.values()]).items()
    }
    assert list(measured) == list(table["subsets"])
    for key, expected in table["subsets"].items():
        for field, value in expected.items():
            wanted = value if value is None else pytest.approx(value, rel=METRES)
            assert getattr(measured[key], field) == wanted, (key, field)
    assert len(subset_names()) == 112
