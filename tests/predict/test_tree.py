"""Prediction of a whole tree."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.prediction import PredictionConfig
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


def test_probabilities_are_optional(tree: CaffeTree, tmp_path: Path) -> None:
    predict_tree(Bands().eval(), tree, "test", NAMES[:1], tmp_path / "z", None, CONFIG, "cpu", {})
    assert [p.stem for p in (tmp_path / "z").iterdir()] == NAMES[:1]


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
    args = (tmp_path / "z", None, CONFIG, "cpu", {})
    with pytest.raises(UserError, match="no scene"):
        predict_tree(Bands().eval(), tree, "test", [], *args)
    network = Bands().eval()
    network.out_channels = 14
    with pytest.raises(ValueError, match="14 outputs"):
        predict_tree(network, tree, "test", NAMES, *args)


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
