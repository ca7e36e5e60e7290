"""Small labelled scenes and predictions of them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.zones import GLACIER, OCEAN, ROCK, greys_from_classes, ocean_beside_glacier
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.scoring import LabelFolders, score_folder

HEIGHT_PX, WIDTH_PX = 60, 80
NAMES = (
    "COL_2011-06-18_TDX_20_1_024",
    "COL_2011-12-18_S1_20_1_024",
    "Mapple_2011-12-18_TSX_20_2_034",
)


def coast(column: int) -> np.ndarray:
    """Glacier left of a column, ocean right of it, rock above."""
    zones = np.full((HEIGHT_PX, WIDTH_PX), GLACIER, np.uint8)
    zones[:, column:] = OCEAN
    zones[:6] = ROCK
    return zones


class Folders:
    """Labels and predictions in folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.labels = LabelFolders(root / "zones", root / "fronts", root / "boxes")
        self.predictions = root / "predictions"
        self.sar = root / "sar"

    def add(self, name: str, true_column: int, predicted: np.ndarray) -> None:
        truth = coast(true_column)
        write_gray(self.labels.zones / f"{name}_zones.png", greys_from_classes(truth))
        front = ocean_beside_glacier(truth).astype(np.uint8) * np.uint8(255)
        write_gray(self.labels.fronts / f"{name}_front.png", front)
        box = BoundingBox(2.0, WIDTH_PX - 2.0, 0.0, HEIGHT_PX - 2.0)
        box.write(self.labels.boxes / f"{name}_front_extent_coord.txt")
        write_gray(self.predictions / f"{name}.png", greys_from_classes(predicted))
        grey = np.where(truth == OCEAN, 40, 160).astype(np.uint8)
        write_gray(self.sar / f"{name}.png", grey)

    def sar_path(self, name: str) -> Path:
        return self.sar / f"{name}.png"


def _three_scenes(root: Path) -> Folders:
    made = Folders(root)
    made.add(NAMES[0], 30, coast(34))
    made.add(NAMES[1], 40, coast(32))
    made.add(NAMES[2], 50, np.full((HEIGHT_PX, WIDTH_PX), GLACIER, np.uint8))
    return made


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Three scenes: four pixels off, eight pixels off, and no front at all."""
    return _three_scenes(tmp_path / "data")


@pytest.fixture(scope="session")
def shared_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The same scenes, to be read only."""
    return _three_scenes(tmp_path_factory.mktemp("evaluate"))


@pytest.fixture(scope="session")
def scores(shared_folders: Folders) -> list:
    """Scores of the three scenes."""
    labels = shared_folders.labels
    return score_folder(shared_folders.predictions, labels, labels.names())


@pytest.fixture(scope="session")
def baselines(shared_folders: Folders) -> dict:
    """Floor and trivial predictions of the three scenes."""
    labels = shared_folders.labels
    return score_baselines(labels, labels.names(), sar_path=shared_folders.sar_path)


@pytest.fixture(scope="session")
def runs(scores, baselines) -> list[RunScores]:
    """Two seeds: the predictions, and a trivial split."""
    return [
        RunScores("seed3", scores),
        RunScores("seed5", baselines["left_half_ocean"].scores),
    ]


@pytest.fixture(scope="session")
def shared_result(runs, baselines) -> dict:
    """Result of two seeds on synthetic scenes, to be read only."""
    return build_result(describe_dataset("micro", source="synthetic"), runs, baselines)


@pytest.fixture
def result(shared_result) -> dict:
    """A copy of it that a test may spoil."""
    return deepcopy(shared_result)
