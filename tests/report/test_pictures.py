"""Overlays and figures: what is in them, where, and that equal input gives equal bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import CLASS_COLOURS, GLACIER, OCEAN, greys_from_classes
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.result_schema import validate_result
from ssl4sar.evaluate.scoring import LabelFolders, LabelledScene, score_folder, score_image
from ssl4sar.metrics.fronts import front_pixels
from ssl4sar.report.figures import write_errors_figure, write_scenes_figure
from ssl4sar.report.overlay import (
    PREDICTED_COLOUR,
    TRUE_COLOUR,
    front_picture,
    picture_shape,
    scale_bar_km,
    write_overlay,
)
from ssl4sar.report.ranking import good_median_worst
from ssl4sar.report.scene_view import SceneView, read_view

HEIGHT_PX, WIDTH_PX = 90, 120


def coast(column: int) -> np.ndarray:
    zones = np.full((HEIGHT_PX, WIDTH_PX), GLACIER, np.uint8)
    zones[:, column:] = OCEAN
    return zones


def view(true_column: int, predicted_column: int, **changes: object) -> SceneView:
    truth, predicted = coast(true_column), coast(predicted_column)
    window = (slice(10, 80), slice(5, 115))
    labels = LabelledScene(
        SceneName.parse("COL_2011-06-18_TDX_20_1_024"), truth, front_pixels(truth), window
    )
    extracted = labels.extract(predicted)
    mde_m = score_image(labels, predicted, extracted).mde_m
    sar = np.random.default_rng(0).integers(20, 200, truth.shape).astype(np.uint8)
    made = SceneView(labels, sar, predicted, extracted.front, mde_m, synthetic=False)
    return replace(made, **changes)


def columns_of(picture: np.ndarray, colour: tuple[int, int, int], row: int) -> np.ndarray:
    return np.flatnonzero((picture[row] == colour).all(axis=1))


@pytest.mark.parametrize("factor", [0.5, 1, 3.7])
def test_lines_lie_on_their_fronts_and_are_visible(factor: float) -> None:
    shape = (round(HEIGHT_PX * factor), round(WIDTH_PX * factor))
    picture = front_picture(view(40, 90), shape)
    row = shape[0] // 2
    for colour, column in ((TRUE_COLOUR, 40), (PREDICTED_COLOUR, 90)):
        found = columns_of(picture, colour, row)
        assert len(found) >= 3
        assert found.mean() == pytest.approx((column + 0.5) * factor, abs=1)
    # Without gaps along the line.
    inside = slice(round(12 * factor), round(78 * factor))
    assert (picture[inside] == PREDICTED_COLOUR).all(axis=2).any(axis=1).all()


def test_fronts_that_agree_are_both_seen() -> None:
    picture = front_picture(view(60, 60), (HEIGHT_PX * 3, WIDTH_PX * 3))
    for colour in (TRUE_COLOUR, PREDICTED_COLOUR):
        assert len(columns_of(picture, colour, 135)) >= 2


def test_predicted_front_is_seen_only_within_the_box() -> None:
    picture = front_picture(view(40, 90), (HEIGHT_PX * 2, WIDTH_PX * 2))
    assert len(columns_of(picture, PREDICTED_COLOUR, 2)) == 0
    assert len(columns_of(picture, TRUE_COLOUR, 2)) > 0


def test_no_front_paints_no_line() -> None:
    picture = front_picture(view(40, 120), (HEIGHT_PX, WIDTH_PX))
    assert not (picture == PREDICTED_COLOUR).all(axis=2).any()


def test_overlay_size_and_repeatability(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        write_overlay(tmp_path / name, view(40, 44), 600)
    one = (tmp_path / "one.png").read_bytes()
    assert one == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert image.width >= 600
        assert 450 < image.height < 600
        assert "Software" not in image.info
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_synthetic_scenes_carry_a_mark(tmp_path: Path) -> None:
    for synthetic in (True, False):
        write_overlay(tmp_path / f"{synthetic}.png", view(40, 44, synthetic=synthetic), 500)
    pictures = {
        synthetic: np.array(Image.open(tmp_path / f"{synthetic}.png").convert("RGB")).astype(int)
        for synthetic in (True, False)
    }
    yellow = {
        key: (np.abs(picture - (240, 228, 66)).sum(axis=2) < 6).sum()
        for key, picture in pictures.items()
    }
    assert yellow[False] == 0
    assert yellow[True] > 1000


def test_words_for_the_error() -> None:
    assert view(40, 44, mde_m=1234.4).error_text == "mean distance error 1,234 m"
    assert "NO FRONT FOUND" in view(40, 120).error_text


@pytest.mark.parametrize(
    ("width_km", "bar_km"), [(30, 5), (10, 2), (9, 1), (1.2, 0.2), (260, 50), (5, 1)]
)
def test_scale_bars_are_round(width_km: float, bar_km: float) -> None:
    assert scale_bar_km(width_km) == pytest.approx(bar_km)


def test_picture_keeps_the_shape_of_the_scene() -> None:
    assert picture_shape((2107, 4476), 1000) == (471, 1000)
    assert picture_shape((400, 200), 1000) == (1000, 500)


class Tree:
    """A CaFFe tree of three scenes, predictions and everything scored."""

    def __init__(self, root: Path) -> None:
        self.caffe = CaffeTree(root)
        self.predictions, self.fronts = root / "predicted", root / "predicted_fronts"
        names = [f"COL_2011-{month:02d}-18_TDX_20_1_024" for month in (1, 5, 7)]
        for name, column in zip(names, (42, 60, 120), strict=True):
            made = view(40, column)
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
    return Tree(tmp_path / "tree")


def test_view_is_what_was_scored(tree: Tree) -> None:
    seen = tree.view(tree.scores[1])
    assert seen.mde_m == tree.scores[1].mde_m
    assert seen.predicted_front.sum() == tree.scores[1].predicted_front_px
    (tree.fronts / f"{tree.scores[1].name}_front.png").unlink()
    with pytest.raises(UserError, match="does not exist"):
        tree.view(tree.scores[1])


def test_scenes_figure_shows_zones_in_their_colours(tree: Tree, tmp_path: Path) -> None:
    chosen = [(ranked, tree.view(ranked.score)) for ranked in good_median_worst(tree.scores)]
    for name in ("one.png", "two.png"):
        write_scenes_figure(tmp_path / name, chosen, panel_px=200)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = np.array(Image.open(tmp_path / "one.png").convert("RGB"))
    for zone in (GLACIER, OCEAN):
        assert (picture == CLASS_COLOURS[zone]).all(axis=2).sum() > 10_000


@pytest.mark.parametrize("seeds", [[None], [0, 1, 2]])
def test_errors_figure_is_drawn_and_repeatable(tree: Tree, tmp_path: Path, seeds: list) -> None:
    runs = [RunScores(seed, tree.scores) for seed in seeds]
    baselines = score_baselines(tree.labels, tree.labels.names())
    dataset = describe_dataset("run", source="synthetic")
    result = validate_result(build_result(dataset, runs, baselines))
    for name in ("one.png", "two.png"):
        write_errors_figure(tmp_path / name, runs, result)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_errors_figure_without_any_front(tree: Tree, tmp_path: Path) -> None:
    baselines = score_baselines(tree.labels, tree.labels.names())
    runs = [RunScores(0, baselines["all_glacier"].scores)]
    dataset = describe_dataset("run", source="local", spacing_m=80)
    result = validate_result(build_result(dataset, runs, {}))
    write_errors_figure(tmp_path / "errors.png", runs, result)
    assert (tmp_path / "errors.png").stat().st_size > 0
