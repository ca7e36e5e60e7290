"""Panels of the pretext tasks: columns, colours, damaged input."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.core.errors import UserError
from ssl4sar.report.pretext_panels import (
    MASKED,
    UNPREDICTED,
    PretextPanels,
    draw_panels,
    draw_panels_of,
    drawn_epochs,
    masked_picture,
    prediction_picture,
    read_panels,
    shown_mask,
    stretched,
)

SIDE_PX = 16
TILES, EPOCHS = 2, 3


@pytest.fixture
def panels() -> PretextPanels:
    rng = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        return rng.integers(0, 255, shape, dtype=np.uint8)

    sar = noise(TILES, SIDE_PX, SIDE_PX)
    masked = np.zeros_like(sar)
    masked[:, 4:8, 8:12] = 1
    return PretextPanels(
        epochs=(1, 10, 20),
        names=("one", "two"),
        synthetic=False,
        sar=sar,
        masked=masked,
        true=noise(TILES, 3, SIDE_PX, SIDE_PX),
        predicted=noise(EPOCHS, TILES, 3, SIDE_PX, SIDE_PX),
    )


def save(path: Path, panels: PretextPanels, *without: str) -> Path:
    values = {field.name: getattr(panels, field.name) for field in fields(panels)}
    kept = {name: np.asarray(value) for name, value in values.items() if name not in without}
    np.savez(path, **kept)
    return path


def test_panels_survive_the_file(panels: PretextPanels, tmp_path: Path) -> None:
    again = read_panels(save(tmp_path / "a.npz", panels))
    assert again.epochs == panels.epochs
    assert again.names == panels.names
    assert again.synthetic is False
    marked = replace(panels, synthetic=True)
    assert read_panels(save(tmp_path / "c.npz", marked)).synthetic is True
    for name in ("sar", "masked", "true", "predicted"):
        np.testing.assert_array_equal(getattr(again, name), getattr(panels, name))
    assert read_panels(save(tmp_path / "b.npz", panels, "masked")).masked is None


def test_damaged_files_are_refused(panels: PretextPanels, tmp_path: Path) -> None:
    whole = save(tmp_path / "a.npz", panels).read_bytes()
    for name, data in (("empty", b""), ("text", b"no archive"), ("cut", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="not panels"):
            read_panels(tmp_path / name)
    for path in (tmp_path / "missing.npz", save(tmp_path / "b.npz", panels, "true")):
        with pytest.raises(UserError, match="not panels"):
            read_panels(path)
    # A file from elsewhere cannot run code.
    np.savez(tmp_path / "c.npz", epochs=np.array([print], dtype=object))
    with pytest.raises(UserError, match="not panels"):
        read_panels(tmp_path / "c.npz")


def test_first_and_last_epoch_are_drawn() -> None:
    assert drawn_epochs(1) == [0]
    assert drawn_epochs(3) == [0, 1, 2]
    assert drawn_epochs(7) == [0, 2, 4, 6]
    for count in range(1, 40):
        drawn = drawn_epochs(count)
        assert drawn[0] == 0
        assert drawn[-1] == count - 1
        assert len(drawn) == min(count, 4)


def test_true_and_predicted_are_stretched_alike() -> None:
    true = np.zeros((3, 10, 10), np.uint8)
    true[:, :, 5:] = 100
    half = np.full_like(true, 50)
    np.testing.assert_array_equal(np.unique(stretched(true, true)), [0, 255])
    # A pale prediction stays pale: its own range plays no part.
    assert np.unique(stretched(half, true)) == round(255 * 0.5**0.8)
    assert np.unique(stretched(np.full_like(true, 200), true)) == 255
    flat = np.full_like(true, 7)
    assert np.isfinite(stretched(flat, flat)).all()


def test_what_is_not_predicted_is_painted(panels: PretextPanels) -> None:
    # Black is a prediction, too.
    predicted = np.zeros((3, SIDE_PX, SIDE_PX), np.uint8)
    assert panels.masked is not None
    picture = prediction_picture(predicted, panels.true[0], panels.masked[0])
    painted = (picture == UNPREDICTED).all(2)
    np.testing.assert_array_equal(painted, panels.masked[0] == 0)
    whole = prediction_picture(predicted, panels.true[0], None)
    assert not (whole == UNPREDICTED).all(2).any()


def test_masked_tokens_are_orange_and_others_grey(panels: PretextPanels) -> None:
    assert panels.masked is not None
    picture = masked_picture(panels.masked[0], panels.sar[0])
    wanted = np.zeros((SIDE_PX, SIDE_PX), bool)
    wanted[4:8, 8:12] = True
    np.testing.assert_array_equal((picture == MASKED).all(2), wanted)
    np.testing.assert_array_equal(picture[~wanted][:, 0], panels.sar[0][~wanted])


def test_nothing_is_masked_beyond_an_image(panels: PretextPanels) -> None:
    assert panels.masked is not None
    sar, true = panels.sar | np.uint8(1), panels.true.copy()
    sar[:, 6:], true[:, :, 6:] = 0, 0
    shown = shown_mask(replace(panels, sar=sar, true=true), 0)
    assert shown is not None
    np.testing.assert_array_equal(shown[:6], panels.masked[0][:6])
    assert not shown[6:].any()
    assert shown_mask(replace(panels, masked=None), 0) is None


def test_figures_have_a_column_more_with_a_mask(panels: PretextPanels, tmp_path: Path) -> None:
    draw_panels(tmp_path / "a.png", panels, "run")
    draw_panels(tmp_path / "c.png", replace(panels, masked=None), "run")
    draw_panels(tmp_path / "d.png", replace(panels, synthetic=True), "run")
    data = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert data["a"] != data["d"]
    sizes = {}
    for name in "acd":
        with Image.open(tmp_path / f"{name}.png") as image:
            sizes[name] = image.size
            orange = (np.array(image.convert("RGB")) == MASKED).all(2).any()
        assert orange == (name != "c")
    assert sizes["a"] == sizes["d"]
    assert sizes["a"][0] - sizes["c"][0] == pytest.approx(216, abs=1)
    assert sizes["a"][1] == sizes["c"][1]


def many_epochs(panels: PretextPanels, *epochs: int) -> PretextPanels:
    return replace(panels, epochs=epochs, predicted=panels.predicted[[0] * len(epochs)])


def test_the_figure_of_a_folder_tells_which_epochs_it_shows(
    panels: PretextPanels, tmp_path: Path
) -> None:
    epochs, told = (1, 10, 20, 30, 40, 50, 57), "4 of 7 drawn epochs: 1, 20, 40, 57"
    folder = tmp_path / "resume/pretrain/optsimmim/seed3"
    folder.mkdir(parents=True)
    drawn = many_epochs(panels, *epochs)
    save(folder / "pictures.npz", drawn)
    assert draw_panels_of(folder) == f"{folder / 'pictures.png'}: {told}"
    # The same figure as that of the report, under the names of task and seed.
    draw_panels(tmp_path / "report.png", drawn, "pretrain/optsimmim/seed3")
    assert (folder / "pictures.png").read_bytes() == (tmp_path / "report.png").read_bytes()


def test_a_folder_without_pictures_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pictures\.npz: there are no pictures") as told:
        draw_panels_of(tmp_path)
    assert "after its first epoch" in str(told.value)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
