"""Scores of whole images, and their sums over processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.zones import GLACIER, NA, OCEAN
from ssl4sar.dataset.store import Store
from ssl4sar.train.finetune.validation import (
    StoreValidation,
    ValidationScore,
    ValidationTotals,
    score_image,
    validation_windows,
)

RESOLUTION_M = 50.0


def fjord(edge):
    zones = np.full((40, 40), GLACIER, np.uint8)
    zones[:, edge:] = OCEAN
    front = np.zeros((40, 40), bool)
    front[:, edge] = True
    return zones, front


def test_a_perfect_prediction():
    zones, front = fjord(20)
    score = score_image(zones, zones, front, RESOLUTION_M, None).score()
    assert score.mde_m == 0
    assert score.iou_pooled == 1
    assert score.iou_per_class == (None, None, 1.0, 1.0)
    assert (score.no_front, score.images) == (0, 1)


def test_a_shifted_front():
    true_zones, true_front = fjord(20)
    totals = score_image(fjord(24)[0], true_zones, true_front, RESOLUTION_M, None)
    assert totals.score().mde_m == pytest.approx(4 * RESOLUTION_M)
    assert totals.score().iou_per_class[OCEAN] == pytest.approx(16 / 20)


def test_no_front_is_counted_and_has_no_distance():
    true_zones, true_front = fjord(20)
    empty = score_image(np.full((40, 40), NA, np.uint8), true_zones, true_front, RESOLUTION_M, None)
    assert empty.score().mde_m is None
    assert empty.score().no_front == 1
    both = empty + score_image(fjord(24)[0], true_zones, true_front, RESOLUTION_M, None)
    assert both.score().mde_m == pytest.approx(200)
    assert (both.score().no_front, both.score().images) == (1, 2)


def test_sums_survive_the_way_between_processes():
    zones, front = fjord(20)
    a = score_image(fjord(23)[0], zones, front, RESOLUTION_M, None)
    b = score_image(np.full((40, 40), NA, np.uint8), zones, front, RESOLUTION_M, None)
    reduced = ValidationTotals.from_tensor(a.as_tensor() + b.as_tensor())
    assert reduced.score() == (a + b).score()
    assert ValidationTotals.from_tensor(a.as_tensor()).score() == a.score()


def test_validation_windows_do_not_overlap_unless_asked_to():
    published = validation_windows(TrainingConfig(), 256, 32.0)
    assert (published.stride_px, published.centre_px, published.sigma_px) == (256, 256, 32.0)
    assert published.rotations == (0,)
    overlapped = validation_windows(TrainingConfig(validation_stride_px=64), 256, 32.0)
    assert overlapped.stride_px == 64


class EverythingIsOcean(torch.nn.Module):
    input_px = 64
    out_channels = 4

    def forward(self, image):
        logits = torch.zeros(len(image), 4, *image.shape[2:])
        logits[:, OCEAN] = 1
        return logits


def test_processes_together_score_every_image_once(tiny_store):
    store = Store.open(tiny_store)
    numbers = [i for i, scene in enumerate(store.scenes) if scene.split == "val"]
    config = PredictionConfig(stride_px=32, centre_px=32, sigma_px=4)
    validation = StoreValidation(store, numbers, config)
    network = EverythingIsOcean().eval()
    device = torch.device("cpu")
    whole = validation(network, device, 0, 1)
    shared = validation(network, device, 0, 2) + validation(network, device, 1, 2)
    assert whole.score() == shared.score()
    assert whole.images == whole.no_front == len(numbers) == 2
    ocean = sum(int((np.asarray(store.zones(i)) == OCEAN).sum()) for i in numbers)
    assert whole.confusion[OCEAN, OCEAN] == ocean
    assert whole.score().mde_m is None


SCORE = ValidationScore(300.0, 0.5, (None, 0.25, 0.5, 0.75), 1, 8)


def test_better_by_distance():
    assert replace(SCORE, mde_m=299.0).is_better("best_mde", SCORE)
    assert not replace(SCORE, mde_m=301.0, iou_pooled=0.9).is_better("best_mde", SCORE)
    assert not SCORE.is_better("best_mde", SCORE)


def test_an_undefined_distance_is_the_worst_and_iou_decides_among_them():
    undefined = replace(SCORE, mde_m=None)
    assert SCORE.is_better("best_mde", undefined)
    assert not undefined.is_better("best_mde", SCORE)
    assert replace(undefined, iou_pooled=0.6).is_better("best_mde", undefined)
    assert not replace(undefined, iou_pooled=0.4).is_better("best_mde", undefined)


def test_better_by_iou():
    assert replace(SCORE, iou_pooled=0.51, mde_m=None).is_better("best_iou", SCORE)
    assert not replace(SCORE, mde_m=1.0).is_better("best_iou", SCORE)
