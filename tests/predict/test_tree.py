"""Prediction of a whole tree."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from series_network import TinySeriesNetwork
from torch import Tensor, nn

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.series import SeriesConfig
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.zones import CLASS_GREYS
from ssl4sar.models.tyrion import build
from ssl4sar.predict.probabilities import ProbabilityReader
from ssl4sar.predict.tree import predict_tree

NAMES = ["COL_2011-06-18_TDX_7_1_024", "Mapple_2011-11-05_TDX_7_1_143"]
CONFIG = PredictionConfig(stride_px=16, centre_px=32, sigma_px=4.0)


class Bands(nn.Module):
    """Class = quarter of the grey range."""

    input_px = 64
    out_channels = 4

    def forward(self, image: Tensor) -> Tensor:
        centres = torch.tensor([31.5, 95.5, 159.5, 223.5]).view(1, 4, 1, 1) / 255
        return -((image - centres) ** 2) * 1000


@pytest.fixture
def tree(tmp_path: Path) -> CaffeTree:
    tree = CaffeTree(tmp_path / "caffe")
    rng = np.random.default_rng(0)
    for name, shape in zip(NAMES, [(40, 70), (33, 9)], strict=True):
        write_gray(tree.sar("test", name), rng.integers(0, 256, shape, dtype=np.uint8))
    return tree


def run(tree: CaffeTree, out: Path, network: nn.Module | None = None) -> dict[str, object]:
    return predict_tree(
        (network or Bands()).eval(),
        tree,
        "test",
        NAMES,
        out / "zones",
        out / "probabilities.npz",
        CONFIG,
        "cpu",
        {"checkpoint": "abc"},
    )


def test_zones_probabilities_and_manifest_agree(tree: CaffeTree, tmp_path: Path) -> None:
    manifest = run(tree, tmp_path / "out")
    assert manifest["info"] == {"checkpoint": "abc"}
    assert manifest["split"] == "test"
    scenes = manifest["scenes"]
    assert isinstance(scenes, dict)
    assert list(scenes) == NAMES
    with ProbabilityReader(tmp_path / "out" / "probabilities.npz") as reader:
        for name in NAMES:
            path = tmp_path / "out" / "zones" / f"{name}.png"
            sar, zones = read_gray(tree.sar("test", name)), read_gray(path)
            assert np.array_equal(zones, np.array(CLASS_GREYS, np.uint8)[sar // 64])
            assert scenes[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert scenes[name]["shape"] == list(sar.shape)
            assert reader.read(name).shape == (4, *sar.shape)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"zones", "probabilities.npz"}


def test_a_second_run_replaces_the_first_with_equal_bytes(tree: CaffeTree, tmp_path: Path) -> None:
    run(tree, tmp_path / "a")
    (tmp_path / "a" / "zones" / "stale.png").write_bytes(b"old")
    first = (tmp_path / "a" / "probabilities.npz").read_bytes()
    run(tree, tmp_path / "a")
    assert sorted(p.stem for p in (tmp_path / "a" / "zones").iterdir()) == sorted(NAMES)
    assert (tmp_path / "a" / "probabilities.npz").read_bytes() == first


def test_the_real_network_runs(tree: CaffeTree, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TyrionConfig(
        input_px=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_tokens=4
    )
    manifest = run(tree, tmp_path / "out", build(config))
    assert manifest["prediction"]["stride_px"] == 16  # type: ignore[index]


def assert_nothing_written(folder: Path) -> None:
    assert not folder.exists() or list(folder.iterdir()) == []


def test_nan_names_the_scene_and_leaves_nothing(tree: CaffeTree, tmp_path: Path) -> None:
    class Broken(Bands):
        def forward(self, image: Tensor) -> Tensor:
            return super().forward(image) * float("nan")

    with pytest.raises(UserError, match=f"{NAMES[0]}: the network returned NaN"):
        run(tree, tmp_path / "out", Broken())
    assert_nothing_written(tmp_path / "out")


def test_a_missing_scene_leaves_nothing(tree: CaffeTree, tmp_path: Path) -> None:
    tree.sar("test", NAMES[1]).unlink()
    with pytest.raises(UserError, match="does not exist"):
        run(tree, tmp_path / "out")
    assert_nothing_written(tmp_path / "out")


def test_no_scene_and_wrong_networks(tree: CaffeTree, tmp_path: Path) -> None:
    args = (tmp_path / "z", tmp_path / "p.npz", CONFIG, "cpu", {})
    with pytest.raises(UserError, match="no scene"):
        predict_tree(Bands().eval(), tree, "test", [], *args)
    network = Bands().eval()
    network.out_channels = 14
    with pytest.raises(ValueError, match="14 outputs"):
        predict_tree(network, tree, "test", NAMES, *args)


SERIES = [f"COL_2011-06-{day:02d}_TDX_7_1_024" for day in (18, 19, 19, 25)]
SERIES[2] = SERIES[2].replace("TDX", "TSX")
OTHER_SIZE = "COL_2011-06-20_TDX_20_1_024"


@pytest.fixture
def series_tree(tree: CaffeTree) -> CaffeTree:
    """The two scenes, one of which is the first of four of one grid, and one of another grid."""
    rng = np.random.default_rng(1)
    shapes = dict.fromkeys(SERIES[1:], (40, 70)) | {OTHER_SIZE: (14, 25)}
    for name, shape in shapes.items():
        write_gray(tree.sar("test", name), rng.integers(0, 256, shape, dtype=np.uint8))
    # A scene of the same glacier and grid in the other split, which must stay there.
    write_gray(tree.sar("train", "COL_2011-06-17_TDX_7_1_024"), np.zeros((40, 70), np.uint8))
    return tree


@pytest.mark.parametrize(
    ("series", "frames"),
    [
        ({"frames": 3}, [[0, 1, 2], [0, 1, 2], [0, 1, 2], [1, 2, 3]]),
        ({"frames": 2, "window": "past"}, [[0], [1, 2], [1, 2], [1, 3]]),
        ({"max_days": 1}, [[0, 1, 2], [0, 1, 2], [0, 1, 2], [3]]),
        ({"frames": 3, "predicted": "all"}, [[0, 1], [0, 1], [2, 3], [2, 3]]),
        ({"frames": 1}, [[0], [1], [2], [3]]),
    ],
)
def test_a_temporal_network_sees_scenes_of_the_split_and_says_which(
    series_tree: CaffeTree,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    series: dict[str, object],
    frames: list[list[int]],
) -> None:
    names = [*NAMES, OTHER_SIZE, *SERIES[1:]]
    config = CONFIG.model_copy(update={"series": SeriesConfig.model_validate(series)})
    network = TinySeriesNetwork().eval()
    zones, stored = tmp_path / "zones", tmp_path / "probabilities.npz"
    arguments = (series_tree, "test", names, zones, stored, config, "cpu", {})
    manifest = predict_tree(network, *arguments)  # type: ignore[arg-type]
    scenes = manifest["scenes"]
    assert list(scenes) == names
    found = [scenes[name]["frames"] for name in SERIES]
    assert found == [[SERIES[i] for i in places] for places in frames]
    for alone in (NAMES[1], OTHER_SIZE):
        assert scenes[alone]["frames"] == [alone]
    assert manifest["prediction"]["series"] == config.series.model_dump()
    number = sum(len(scene["frames"]) == 1 for scene in scenes.values())
    said = (
        f"{number} of {len(names)} images have no other to be seen with" in capfd.readouterr().err
    )
    assert said == (config.series.frames > 1)
    with ProbabilityReader(stored) as reader:
        assert sorted(reader.names) == sorted(names)
        for name in names:
            sar = read_gray(series_tree.sar("test", name))
            expected = np.array(CLASS_GREYS, np.uint8)[sar // 64]
            assert np.array_equal(read_gray(zones / f"{name}.png"), expected)
            assert np.array_equal(reader.read(name).argmax(0), sar // 64)


def test_a_network_for_single_images_ignores_series(tree: CaffeTree, tmp_path: Path) -> None:
    manifest = run(tree, tmp_path / "out")
    assert "series" not in manifest["prediction"]  # type: ignore[operator]
    assert all("frames" not in scene for scene in manifest["scenes"].values())  # type: ignore[attr-defined]


def test_only_the_images_of_one_series_are_held(
    series_tree: CaffeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images are let go when no later series needs them, and read once while one does."""
    read: list[str] = []
    whole = predict_tree.__globals__["read_image"]

    def noted(path: Path) -> object:
        read.append(path.stem)
        return whole(path)

    monkeypatch.setitem(predict_tree.__globals__, "read_image", noted)
    config = CONFIG.model_copy(update={"series": SeriesConfig(frames=2, window="past")})
    network = TinySeriesNetwork().eval()
    predict_tree(
        network, series_tree, "test", SERIES, tmp_path / "z", tmp_path / "p.npz", config, "cpu", {}
    )
    assert read == [*SERIES, *SERIES]


def test_a_name_without_a_date_has_no_place_in_a_series(tree: CaffeTree, tmp_path: Path) -> None:
    write_gray(tree.sar("test", "COL_a"), np.zeros((9, 9), np.uint8))
    args = ("test", ["COL_a"], tmp_path / "z", tmp_path / "p.npz", CONFIG, "cpu", {})
    with pytest.raises(UserError, match=r"COL_a: the name does not read .*YYYY-MM-DD.*; rename it"):
        predict_tree(TinySeriesNetwork().eval(), tree, *args)
    assert_nothing_written(tmp_path / "z")
    predict_tree(Bands().eval(), tree, *args)


def test_the_front_is_stored_beside_the_zones(tree: CaffeTree, tmp_path: Path) -> None:
    class WithFront(Bands):
        """The front is where it is bright."""

        out_channels = 5

        def forward(self, image: Tensor) -> Tensor:
            return torch.cat((super().forward(image), (image - 0.5) * 1000), 1)

    run(tree, tmp_path / "four")
    run(tree, tmp_path / "five", WithFront())
    for name in NAMES:
        zones = [tmp_path / part / "zones" / f"{name}.png" for part in ("four", "five")]
        assert zones[0].read_bytes() == zones[1].read_bytes()
        with ProbabilityReader(tmp_path / "five" / "probabilities.npz") as reader:
            bright = read_gray(tree.sar("test", name)) > 127
            assert np.array_equal(reader.read_front(name) > 0.5, bright)
        with (
            ProbabilityReader(tmp_path / "four" / "probabilities.npz") as reader,
            pytest.raises(UserError, match=r"no output for the front; train .* above 0"),
        ):
            reader.read_front(name)
