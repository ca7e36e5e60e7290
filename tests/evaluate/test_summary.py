"""Headline numbers of scored images."""

from __future__ import annotations

from ssl4sar.evaluate.summary import summarise


def test_no_images() -> None:
    summary = summarise([])
    assert summary.front.mde_m is None
    assert summary.iou_pooled is None
    assert summary.iou_image_mean is None
