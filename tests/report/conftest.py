"""Small scenes to draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import GLACIER, OCEAN, greys_from_classes, ocean_beside_glacier
from ssl4sar.evaluate.scoring import LabelFolders, LabelledScene, score_folder, score_image
from ssl4sar.report.scene_view import SceneView, read_view

HEIGHT_PX, WIDTH_PX = 90, 120


def coast(column: int) -> np.ndarray:
    zones = np.full((HEIGHT_PX, WIDTH_PX), GLACIER, np.uint8)
    zones[:, column:] = OCEAN
    return zones


def make_view(true_column: int, predicted_column: int, **changes: object) -> SceneView:
    truth, predicted = coast(true_column), coast(predicted_column)
    window = (slice(10, 80), slice(5, 115))
    labels = LabelledScene(
        SceneName.parse("COL_2011-06-18_TDX_20_1_024"),
        truth,
        ocean_beside_glacier(truth),
        window,
        20,
    )
    extracted = labels.extract(predicted)
    mde_m = score_image(labels, predicted, extracted).mde_m
    sar = np.random.default_rng(0).integers(20, 200, truth.shape).astype(np.uint8)
    made = SceneView(labels, sar, predicted, extracted.front, mde_m, synthetic=False)
    return replace(made, **changes)


class Tree:
    """A CaFFe tree of three scenes, predictions and everything scored."""

    def __init__(self, root: Path) -> None:
        self.caffe = CaffeTree(root)
        self.predictions, self.fronts = root / "predicted", root / "predicted_fronts"
        names = [f"COL_2011-{month:02d}-18_TDX_20_1_024" for month in (1, 5, 7)]
        for name, column in zip(names, (42, 60, 120), strict=True):
            made = make_view(40, column)
            write_gray(self.caffe.sar("test", name), made.sar)
            zones = greys_from_classes(made.labels.zones)
            write_gray(self.caffe.zones("test", name), zones)
            front = made.labels.front.astype(np.uint8) * np.uint8(255)
            write_gray(self.caffe.front("test", name), front)
            self.caffe.box(name).parent.mkdir(exist_ok=True)
            self.caffe.box(name).write_text("x,y\n5,80\n5,10\n115,10\n115,80\n")
            write_gray(self.predictions / f"{name}.png", greys_from_classes(coast(column)))
        self.labels = LabelFolders(
            root / "zones/test", root / "fronts/test", root / "bounding_boxes"
        )
        self.scores = score_folder(self.predictions, self.labels, names, fronts_out=self.fronts)

    def view(self, score) -> SceneView:
        return read_view(
            self.caffe,
            "test",
            score,
            predictions=self.predictions,
            fronts=self.fronts,
            synthetic=True,
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Three scenes of a tree, the last without a front."""
    return Tree(tmp_path / "tree")


@pytest.fixture
def view():
    """Make the view of a scene: ``view(true_column, predicted_column, **changes)``."""
    return make_view
