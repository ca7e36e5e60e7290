"""Scoring a folder of zone maps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.evaluate.command import EvaluateRequest, evaluate
from ssl4sar.evaluate.result_schema import validate_result


@pytest.fixture
def request_(folders, tmp_path: Path) -> EvaluateRequest:
    return EvaluateRequest(folders.predictions, folders.labels, tmp_path / "r.json", "model")


def test_writes_what_it_returns(request_) -> None:
    result = evaluate(request_)
    written = json.loads(request_.out.read_text())
    assert written == result
    content = validate_result(written)
    assert content.dataset.name == "model"
    assert content.dataset.source == "folders"
    assert not content.dataset.comparable_with_published
    assert content.runs[0].seed is None
    assert len(content.per_image) == content.images == 3
    assert content.floor_m == pytest.approx(60 / 106)


def test_workers_change_nothing(request_) -> None:
    assert evaluate(request_) == evaluate(replace(request_, workers=3))


def test_synthetic_labels_are_told(request_) -> None:
    file = next(request_.labels.zones.iterdir())
    assert evaluate(request_)["dataset"]["synthetic"] is False
    write_gray(file, read_gray(file), {"Comment": "SYNTHETIC scene"})
    dataset = evaluate(request_)["dataset"]
    assert dataset["synthetic"] is True
    assert "SYNTHETIC" in dataset["note"]


def test_the_official_set_is_comparable(request_, monkeypatch) -> None:
    asked = {}

    def official(names, sizes_px) -> bool:
        asked.update({name: sizes_px[name] for name in names})
        return True

    monkeypatch.setattr("ssl4sar.evaluate.command.is_official_test", official)
    assert evaluate(request_)["dataset"]["comparable_with_published"] is True
    assert list(asked.values()) == [(60, 80)] * 3


def test_nothing_is_written_after_a_mistake(request_, folders) -> None:
    next(folders.predictions.iterdir()).unlink()
    with pytest.raises(UserError, match="1 of 3 predictions are missing"):
        evaluate(request_)
    assert not request_.out.exists()


def test_extra_predictions_are_told(request_, folders) -> None:
    for index in range(5):
        write_gray(folders.predictions / f"extra{index}.png", np.zeros((2, 2), np.uint8))
    text = evaluate(request_)["text"][-1]
    assert text.startswith("5 predictions belong to no scene")
    assert text.endswith("extra0.png, extra1.png, extra2.png, ...")
