"""The figure of the trainings and the tables it is drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.core.errors import UserError
from ssl4sar.report.training_curves import (
    TrainingCurve,
    draw_losses,
    read_curve,
    read_losses,
    write_training_figure,
)

TABLE = (
    "epoch,step,train_loss,val_mde_m,val_iou_pooled\n"
    "1,10,1.5,,\n2,20,1.25,300.5,0.5\n3,30,1.0,,\n4,40,0.9,nan,0.75\n"
)


def table(folder: Path, text: str = TABLE, name: str = "metrics.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def coloured_px(path: Path, colour: str) -> int:
    rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    picture = np.array(Image.open(path).convert("RGB"))
    return int((picture == rgb).all(axis=2).sum())


def test_a_table_of_epochs_is_read(tmp_path: Path) -> None:
    curve = read_curve(table(tmp_path))
    assert curve.points("train_loss") == ([1, 2, 3, 4], [1.5, 1.25, 1.0, 0.9])
    # No front at all gives no distance: it is left out, not drawn as zero.
    assert curve.points("val_mde_m") == ([2], [300.5])
    assert curve.points("val_iou_pooled") == ([2, 4], [0.5, 0.75])


def test_losses_of_a_pretraining_are_read_and_drawn(tmp_path: Path) -> None:
    text = "epoch,step,train_loss,val_loss,val_tiles\n1,4,0.3,,\n2,8,0.25,0.2,16\n3,12,0.2,,\n"
    curve = read_losses(table(tmp_path, text))
    assert curve.points("train_loss") == ([1, 2, 3], [0.3, 0.25, 0.2])
    assert curve.points("val_loss") == ([2], [0.2])
    draw_losses(tmp_path / "a.png", curve, "OptSimMIM")
    draw_losses(tmp_path / "b.png", curve, "OptSimMIM", synthetic=True)
    assert coloured_px(tmp_path / "a.png", "#0072B2") > 100
    assert coloured_px(tmp_path / "a.png", "#D55E00") > 10
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    with pytest.raises(UserError, match="not a table of epochs"):
        read_losses(table(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "epoch,train_loss\n1,2\n",
        "epoch,train_loss,val_mde_m,val_iou_pooled\n1,x,,\n",
        "epoch,train_loss,val_mde_m,val_iou_pooled\n",
        "",
    ],
)
def test_what_is_no_table_of_epochs_is_refused(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(UserError, match="not a table of epochs") as caught:
        read_curve(path)
    assert str(path) in str(caught.value)


def test_every_seed_is_drawn_in_its_colour_and_bytes_repeat(tmp_path: Path) -> None:
    curve = read_curve(table(tmp_path))
    other = TrainingCurve(curve.epochs, {**curve.values, "train_loss": (1.4, 1.3, 1.2, 1.1)})
    both = {"seed 0": curve, "seed 1": other}
    write_training_figure(tmp_path / "one.png", both, "micro", "SYNTHETIC")
    write_training_figure(tmp_path / "first.png", {"seed 0": curve}, "micro", "SYNTHETIC")
    assert coloured_px(tmp_path / "one.png", "#0072B2") > 100
    assert coloured_px(tmp_path / "one.png", "#D55E00") > 100
    assert coloured_px(tmp_path / "first.png", "#D55E00") == 0
