"""Figure of the comparison."""

from __future__ import annotations

import pytest
from made_scores import NAMES, image, pretrained, scored
from matplotlib.figure import Figure

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.report import comparison as module
from ssl4sar.report.comparison import draw_comparison

BASELINES = {
    "true_zones": BaselineScores("the true zones", [image(name, 12.0, 0) for name in NAMES]),
    "left": BaselineScores("left half ocean", [image(name, 410.0, 400) for name in NAMES]),
}
MODELS = [scored("none", [150.0, 170.0, None]), pretrained("optsimmim", [120.0])]


def drawn(monkeypatch: pytest.MonkeyPatch, comparison: dict) -> Figure:
    """Return the figure instead of a file of it."""
    kept: list[Figure] = []
    monkeypatch.setattr(module, "save_figure", lambda figure, path: kept.append(figure))
    draw_comparison("unused.png", comparison)
    return kept[0]


def test_every_run_mean_and_line_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = describe_dataset("run", source="synthetic")
    figure = drawn(monkeypatch, build_comparison(dataset, MODELS, BASELINES))
    assert figure.get_suptitle().startswith("SYNTHETIC: run")
    left, right = figure.axes
    dots = [float(dot[1]) for c in left.collections for dot in c.get_offsets() if len(dot) == 2]
    assert {150.0, 170.0, 120.0} <= set(dots)
    assert sorted(line.get_ydata()[0] for line in left.lines) == [12.0, 410.0]
    assert len(right.lines) == 1  # the truth itself has an IoU of 1, which is no floor
    labels = [label.get_text() for label in left.get_xticklabels()]
    assert labels == ["none\n2 of 3 runs\n160 ± 10", "optsimmim\n1 run\n120"]


def test_without_references_or_any_front(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = describe_dataset("run", source="local", spacing_m=80)
    nothing = [scored("none", [None, None])]
    figure = drawn(monkeypatch, build_comparison(dataset, nothing, {}))
    assert "SYNTHETIC" not in figure.get_suptitle()
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["no value"]
    assert not left.lines
    assert not right.texts
