"""Written figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ssl4sar.report.figure_file import new_figure, save_figure


def test_size_and_bytes_depend_on_the_figure_only(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        figure = new_figure(320, 200)
        figure.text(0.5, 0.5, "front")
        save_figure(figure, tmp_path / "new" / name)
    assert (tmp_path / "new/a.png").read_bytes() == (tmp_path / "new/b.png").read_bytes()
    with Image.open(tmp_path / "new/a.png") as image:
        assert image.size == (320, 200)
        assert not {"Software", "Creation Time"} & set(image.info)


def test_failure_leaves_no_file(tmp_path: Path) -> None:
    figure = new_figure(100, 100)
    figure.text(0.5, 0.5, r"$\frac{1}{$")
    with pytest.raises(ValueError, match="frac"):
        save_figure(figure, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
