"""Figures of a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.core.zones import CLASS_COLOURS, GLACIER, OCEAN
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.schema import read_result
from ssl4sar.report.figures import write_errors_figure, write_scenes_figure
from ssl4sar.report.ranking import good_median_worst


def test_scenes_figure_shows_zones_in_their_colours(tree, tmp_path: Path) -> None:
    chosen = [(ranked, tree.view(ranked.score)) for ranked in good_median_worst(tree.scores)]
    write_scenes_figure(tmp_path / "one.png", chosen, panel_px=200)
    picture = np.array(Image.open(tmp_path / "one.png").convert("RGB"))
    for zone in (GLACIER, OCEAN):
        assert (picture == CLASS_COLOURS[zone]).all(axis=2).sum() > 10_000


@pytest.mark.parametrize("seeds", [[None], [0, 1, 2]])
def test_errors_figure_is_drawn(tree, tmp_path: Path, seeds: list) -> None:
    runs = [RunScores(f"seed{seed}", tree.scores) for seed in seeds]
    baselines = score_baselines(tree.labels, tree.labels.names())
    dataset = describe_dataset("run", source="synthetic")
    result = read_result(build_result(dataset, runs, baselines))
    write_errors_figure(tmp_path / "one.png", runs, result)
    assert (tmp_path / "one.png").stat().st_size > 0


def test_errors_figure_without_any_front(tree, tmp_path: Path) -> None:
    baselines = score_baselines(tree.labels, tree.labels.names())
    runs = [RunScores("seed0", baselines["all_glacier"].scores)]
    dataset = describe_dataset("run", source="local", spacing_m=80)
    result = read_result(build_result(dataset, runs, {}))
    write_errors_figure(tmp_path / "errors.png", runs, result)
    assert (tmp_path / "errors.png").stat().st_size > 0
