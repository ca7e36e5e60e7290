"""Zones by the mean over dates: an image counts where it has data, by its formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from ssl4sar.config.prediction import DateMeanConfig, PredictionConfig
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.zones import CLASS_GREYS
from ssl4sar.dataset.series import SeriesScene
from ssl4sar.predict.date_mean import ZoneMean, zones_by_date_mean
from ssl4sar.predict.tree import predict_tree


def pixel(*probabilities: float) -> NDArray[np.float32]:
    """Return the probabilities of an image of one pixel."""
    return np.array(probabilities, np.float32).reshape(-1, 1, 1)


def scene(day: int, glacier: str = "COL", side: int = 1) -> SeriesScene:
    name = f"{glacier}_2011-06-{day:02d}_TDX_7_1_024"
    return SeriesScene.of_name(name, "test", (side, side))


ROCK = pixel(0, 0.9, 0.1, 0)
GLACIER = pixel(0, 0.3, 0.7, 0)
SHADOW = pixel(0.9, 0, 0.1, 0)


def test_the_blend_by_its_formula() -> None:
    mean = ZoneMean()
    for image in (ROCK, GLACIER, SHADOW):
        mean.add(image)
    # The shadow counts by a tenth.
    over = np.array([0.9 + 0.3, 0.1 + 0.7 + 0.1, 0]) / 2.1
    assert mean.blended(GLACIER, 0.5).ravel() == pytest.approx(
        [0, 0.15 + 0.5 * over[0], 0.35 + 0.5 * over[1], 0], abs=1e-6
    )
    assert mean.blended(SHADOW, 1).ravel() == pytest.approx([0.9, *(0.1 * over)], abs=1e-6)
    front = pixel(0, 0.3, 0.7, 0, 0.8)
    assert mean.blended(front, 0.5).shape == (4, 1, 1)


@given(st.data(), st.floats(0, 1))
def test_probabilities_stay_probabilities_and_order_does_not_matter(
    data: st.DataObject, share: float
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    images = [random.dirichlet(np.ones(4), 6).T[:, None].astype(np.float32) for _ in range(4)]
    one, other = ZoneMean(), ZoneMean()
    for image in images:
        one.add(image)
    for image in reversed(images):
        other.add(image)
    blended = one.blended(images[0], share)
    np.testing.assert_allclose(blended.sum(0), 1, atol=1e-5)
    np.testing.assert_allclose(blended[0], images[0][0], atol=1e-7)
    np.testing.assert_allclose(blended, other.blended(images[0], share), atol=1e-6)
    alone = ZoneMean()
    alone.add(images[1])
    np.testing.assert_allclose(alone.blended(images[1], share), images[1], atol=1e-5)


def test_where_no_image_has_data_nothing_is_made_up() -> None:
    mean = ZoneMean()
    nothing = pixel(1, 0, 0, 0)
    mean.add(nothing)
    assert mean.blended(nothing, 0.7).ravel().tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match="no image"):
        ZoneMean().blended(nothing, 0.5)


@pytest.mark.parametrize(("window", "expected"), [("all", [1, 1, 1, 2]), ("past", [2, 2, 1, 2])])
def test_only_images_of_the_glacier_and_grid_and_window_count(
    window: str, expected: list[int]
) -> None:
    images = {scene(1): GLACIER, scene(2): GLACIER, scene(3): ROCK, scene(3, "SI"): GLACIER}
    # One more that is larger than the others.
    images[scene(9, side=2)] = np.tile(GLACIER, (1, 2, 2))
    for day in (4, 5):
        images[scene(day)] = ROCK
    by_name = {each.name: image for each, image in images.items()}
    config = DateMeanConfig(share=0.9, window=window)
    zones = dict(zones_by_date_mean(by_name.__getitem__, list(images), config))
    names = [scene(1), scene(2), scene(3), scene(3, "SI")]
    assert [int(zones[each][0, 0]) for each in names] == expected
    assert (zones[scene(9, side=2)] == 2).all()


class Bright(nn.Module):
    """Ocean where it is bright, else glacier; more sure the further from the middle."""

    input_px = 16
    out_channels = 4

    def forward(self, image: Tensor) -> Tensor:
        ocean = (image - 0.5) * 4
        return torch.cat((torch.full_like(image, -9), torch.full_like(image, -9), -ocean, ocean), 1)


@pytest.mark.parametrize("share", [0.0, 0.8])
def test_zones_of_a_tree(tmp_path: Path, share: float) -> None:
    tree = CaffeTree(tmp_path / "caffe")
    greys = {scene(1).name: 250, scene(2).name: 250, scene(3).name: 110}
    for name, grey in greys.items():
        write_gray(tree.sar("test", name), np.full((16, 16), grey, np.uint8))
    config = PredictionConfig(stride_px=16, centre_px=16, date_mean=DateMeanConfig(share=share))
    paths = tmp_path / "zones", tmp_path / "p.npz"
    manifest = predict_tree(Bright().eval(), tree, "test", list(greys), *paths, config, "cpu", {})
    last = read_gray(tmp_path / "zones" / f"{scene(3).name}.png")
    assert (last == CLASS_GREYS[3 if share else 2]).all()
    assert ("date_mean" in manifest["prediction"]) == (share > 0)
    assert list(manifest["scenes"]) == list(greys)
    assert all(facts["sha256"] for facts in manifest["scenes"].values())
