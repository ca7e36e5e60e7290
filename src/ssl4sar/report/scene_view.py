"""Everything that is drawn of a scene, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.caffe_layout import FRONT_ENDINGS, CaffeTree, Split
from ssl4sar.core.image import read_image
from ssl4sar.core.named_files import named_file
from ssl4sar.evaluate.scoring import (
    ImageScore,
    LabelFolders,
    LabelledScene,
    prediction_files,
    read_prediction,
)


@dataclass(frozen=True)
class SceneView:
    """A scored scene.

    Attributes:
        labels: zones, front and box of the scene.
        sar: (H, W) uint8 grey values.
        predicted_zones: (H, W) uint8 class ids 0-3, as the model gave them.
        predicted_front: (H, W) bool, front within the box.
        mde_m: front error of this scene, metres; None without a front.
        synthetic: whether the scene is rendered, not observed.
    """

    labels: LabelledScene
    sar: NDArray[np.uint8]
    predicted_zones: NDArray[np.uint8]
    predicted_front: NDArray[np.bool_]
    mde_m: float | None
    synthetic: bool

    @property
    def error_text(self) -> str:
        """Front error in words."""
        if self.mde_m is not None:
            return f"mean distance error {self.mde_m:,.0f} m"
        if not self.labels.front.any():
            return "no labelled front"
        return "NO FRONT FOUND (left out of the mean distance error)"


def read_view(
    tree: CaffeTree,
    split: Split,
    score: ImageScore,
    *,
    predictions: Path,
    fronts: Path,
    synthetic: bool,
) -> SceneView:
    """Read a scored scene.

    Args:
        tree: CaFFe tree with the SAR image and the labels.
        split: part of the tree.
        score: scores of the scene.
        predictions: folder of the predicted zone maps.
        fronts: folder of the predicted fronts, ``NAME_front.png``.
        synthetic: whether the scene is rendered.

    Raises:
        UserError: anything missing, damaged or inconsistent.
    """
    name = score.name
    labels = LabelFolders.of_tree(tree, split).read(name)
    predicted = prediction_files(predictions, [name])[name]
    return SceneView(
        labels=labels,
        sar=read_image(tree.sar(split, name)).pixels,
        predicted_zones=read_prediction(predicted, labels).pixels,
        predicted_front=read_image(named_file(fronts, name, *FRONT_ENDINGS)).pixels > 0,
        mde_m=score.mde_m,
        synthetic=synthetic,
    )
