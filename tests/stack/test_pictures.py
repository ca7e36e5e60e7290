"""Pictures and card of a stack: the same each time, with what matters in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_glacier import Stacked

from ssl4sar.report.coregistration import draw_coregistration, draw_quick_looks
from ssl4sar.report.dataset_card import CARD, PICTURE, card_text, write_dataset_card
from ssl4sar.stack.coregistration import check_coregistration, track_median
from ssl4sar.stack.pairs import GlacierImages, build_pairs
from ssl4sar.stack.record import image_path

pytestmark = pytest.mark.slow


def test_pictures_of_a_stack(stacked: Stacked, tmp_path: Path) -> None:
    everywhere = np.ones(stacked.raw.grid.shape, bool)
    stack = check_coregistration(stacked.stack, stacked.record, everywhere)
    paths = [image_path(stacked.record, scene) for scene in stack.usable]
    median = track_median(paths, stack.pixels)
    for name in ("a.png", "b.png"):
        draw_coregistration(tmp_path / name, stack, median, everywhere)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw_quick_looks(tmp_path / "looks.png", stack, stacked.record)
    with Image.open(tmp_path / "looks.png") as picture:
        gray = np.asarray(picture.convert("L"))
    # Three scenes in a row of six: the right half is empty.
    assert gray[60:200, : gray.shape[1] // 2].std() > 20
    assert (gray[60:, gray.shape[1] // 2 + 20 :] == 255).all()


def test_a_card_counts_and_says_synthetic(stacked: Stacked, tmp_path: Path) -> None:
    images = GlacierImages(stacked.stack, stacked.record, stacked.raw.optical)
    manifest = build_pairs([images], tmp_path / "pairs")
    write_dataset_card(manifest)
    text = (tmp_path / "pairs" / CARD).read_text()
    assert text == card_text(manifest)
    assert "**SYNTHETIC**" in text
    assert "| Synthetic01 | 2 | 1 | 150 x 150 | 20 | EPSG:32622 | 2018-08-01 |" in text
    assert "2018-05-12 to 2018-07-12" in text
    assert (tmp_path / "pairs" / PICTURE).is_file()
    real = manifest.model_copy(update={"synthetic": False})
    assert "SYNTHETIC**" not in card_text(real)
    assert "Copernicus" in card_text(real)
