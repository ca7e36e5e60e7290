"""Blended windows: geometry, arithmetic against a naive version, images of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from series_network import TinySeriesNetwork
from torch import Tensor, nn

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.errors import UserError
from ssl4sar.models.sliding_window import (
    mirrored,
    plan_axis,
    predict_probabilities,
    predict_series,
)


class Stub(nn.Module):
    """Base of networks without weights."""

    def __init__(self, input_px: int = 32, out_channels: int = 4) -> None:
        super().__init__()
        self.input_px = input_px
        self.out_channels = out_channels
        self.eval()


class Constant(Stub):
    """The same logits everywhere."""

    def forward(self, image: Tensor) -> Tensor:
        logits = torch.tensor([0.0, 1.0, 2.0, 3.0]).view(1, 4, 1, 1)
        return logits.expand(len(image), -1, *image.shape[2:])


class Pixelwise(Stub):
    """Probabilities that depend on the pixel alone: p = (1 + grey) / 3 and its complement."""

    def __init__(self, input_px: int = 32) -> None:
        super().__init__(input_px, 2)

    def forward(self, image: Tensor) -> Tensor:
        p = (1 + image) / 3
        return torch.cat((p, 1 - p), 1).log()


class Positional(Stub):
    """Logits that depend on the place within the window, so that blending matters."""

    def forward(self, image: Tensor) -> Tensor:
        rows = torch.linspace(0, 3, self.input_px).view(1, 1, -1, 1)
        columns = torch.linspace(0, 2, self.input_px).view(1, 1, 1, -1)
        return torch.cat((image * rows, image + columns, rows - columns + 0 * image, image), 1)


def config(**changes: object) -> PredictionConfig:
    return PredictionConfig(
        **{"stride_px": 8, "centre_px": 16, "sigma_px": 2.0, "batch_size": 3, **changes}
    )


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def naive(network: Stub, image: NDArray[np.uint8], cfg: PredictionConfig) -> NDArray[np.float64]:
    """Pad the whole image, run window by window, blend pixel by pixel (Gourmelon et al. 2025)."""
    size, centre, stride = network.input_px, cfg.centre_px, cfg.stride_px
    margin = (size - centre) // 2
    pads = []
    for length in image.shape:
        extra = stride - (length + 2 * margin - size) % stride
        pads.append((margin, margin + extra))
    padded = np.pad(image, pads, mode="symmetric")
    total = np.zeros((network.out_channels, *padded.shape))
    weight = np.zeros(padded.shape)
    for top in range(0, padded.shape[0] - size + 1, stride):
        for left in range(0, padded.shape[1] - size + 1, stride):
            crop = torch.from_numpy(padded[top : top + size, left : left + size].copy())
            probabilities = torch.softmax(network(crop[None, None] / 255)[0], 0).numpy()
            for i in range(centre):
                for j in range(centre):
                    d2 = (i - centre // 2) ** 2 + (j - centre // 2) ** 2
                    w = np.exp(-d2 / (2 * cfg.sigma_px**2))
                    row, column = top + margin + i, left + margin + j
                    total[:, row, column] += w * probabilities[:, margin + i, margin + j]
                    weight[row, column] += w
    blended = total / np.maximum(weight, 1e-12)
    height, width = image.shape
    return blended[:, margin : margin + height, margin : margin + width]


@pytest.mark.parametrize("shape", [(40, 33), (32, 48), (17, 16)])
def test_equals_the_naive_version(shape: tuple[int, int]) -> None:
    image, network = noise(*shape), Positional()
    fast = predict_probabilities(network, image, config(), "cpu")
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, naive(network, image, config()), atol=2e-6)


def test_windows_of_the_paper() -> None:
    """Counts measured with the original code: 77 windows for 1000x1500, 110 for 1500x1300."""
    count = {n: len(plan_axis(n, 512, 256, 128, 32.0).starts_px) for n in (1000, 1300, 1500)}
    assert count[1000] * count[1500] == 77
    assert count[1500] * count[1300] == 110
    axis = plan_axis(1000, 512, 256, 128, 32.0)
    # The first window starts 128 px before the image, which shows pixels 127, 126, ..., 0, 0, 1.
    assert axis.source_px[0, :3].tolist() == [127, 126, 125]
    assert axis.source_px[0, 126:130].tolist() == [1, 0, 0, 1]
    # An axis that already fits gets one more stride.
    assert len(plan_axis(1024, 512, 256, 128, 32.0).starts_px) == 8


@given(
    length=st.integers(1, 400),
    centre=st.integers(1, 64),
    margin=st.integers(0, 32),
    stride_share=st.floats(0.05, 1),
    sigma=st.floats(0.05, 100),
)
def test_windows_cover_every_pixel_and_shares_add_up(
    length: int, centre: int, margin: int, stride_share: float, sigma: float
) -> None:
    stride = max(1, int(centre * stride_share))
    size = centre + 2 * margin
    axis = plan_axis(length, size, centre, stride, sigma)
    total = np.zeros(length + centre + stride)
    for start, weights, source in zip(axis.starts_px, axis.weights, axis.source_px, strict=True):
        assert start < length
        total[start : start + centre] += weights
        # The centre of a window shows the pixels that it is responsible for.
        inside = np.arange(start, min(start + centre, length))
        assert source[margin : margin + len(inside)].tolist() == inside.tolist()
    np.testing.assert_allclose(total[:length], 1, atol=1e-5)
    assert axis.source_px.min() >= 0
    assert axis.source_px.max() < length


@given(length=st.integers(1, 9), pad=st.integers(0, 40))
def test_mirroring_is_numpys_symmetric_padding(length: int, pad: int) -> None:
    expected = np.pad(np.arange(length), pad, mode="symmetric")
    assert mirrored(np.arange(-pad, length + pad), length).tolist() == expected.tolist()


@settings(max_examples=25)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    centre=st.sampled_from([8, 13, 16, 32]),
    batch=st.integers(1, 50),
    rotations=st.sampled_from([(0,), (90,), (0, 90, 180, 270), (270, 180)]),
)
def test_a_pixelwise_network_gives_back_every_pixel(
    height: int, width: int, centre: int, batch: int, rotations: tuple[int, ...]
) -> None:
    image = noise(height, width, seed=height * 100 + width)
    cfg = config(centre_px=centre, batch_size=batch, rotations=rotations)
    result = predict_probabilities(Pixelwise(), image, cfg, "cpu")
    np.testing.assert_allclose(result[0], (1 + image / 255) / 3, atol=1e-5)
    np.testing.assert_allclose(result.sum(0), 1, atol=1e-5)


def test_rotations_average_the_turned_predictions() -> None:
    image = noise(21, 34)
    parts = [
        np.rot90(
            predict_probabilities(Positional(), np.rot90(image, -k), config(), "cpu"),
            k,
            axes=(1, 2),
        )
        for k in range(4)
    ]
    together = config(rotations=(0, 90, 180, 270))
    result = predict_probabilities(Positional(), image, together, "cpu")
    np.testing.assert_allclose(result, np.mean(parts, axis=0), atol=1e-6)


def test_windows_reach_exactly_as_far_as_the_network_sees() -> None:
    """With margin the border of a window never enters; without, it does."""

    class Edge(Stub):
        """One where the window's own border is, zero elsewhere."""

        def forward(self, image: Tensor) -> Tensor:
            border = torch.full_like(image, 0.0)
            border[:, :, 1:-1, 1:-1] = -20.0
            return torch.cat((border, -20 - border), 1)

    image = noise(40, 40)
    kept = predict_probabilities(Edge(32, 2), image, config(centre_px=30), "cpu")
    assert kept[0].max() < 1e-6
    full = predict_probabilities(Edge(32, 2), image, config(centre_px=32), "cpu")
    assert full[0].max() > 0.5


def test_nan_names_the_scene() -> None:
    class Broken(Stub):
        def forward(self, image: Tensor) -> Tensor:
            return torch.full((len(image), 4, *image.shape[2:]), float("nan"))

    with pytest.raises(UserError, match="COL_2011: the network returned NaN"):
        predict_probabilities(Broken(), noise(9, 9), config(), "cpu", subject="COL_2011")


def test_progress_is_reported_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    predict_probabilities(Constant(), noise(9, 9), config(), "cpu")
    assert capsys.readouterr().err == ""
    predict_probabilities(Constant(), noise(9, 9), config(), "cpu", "scene", progress=True)
    assert "windows of scene at 0 deg" in capsys.readouterr().err


@pytest.mark.parametrize(
    "image", [np.zeros((0, 5), np.uint8), np.zeros((3, 4, 4), np.uint8), np.zeros((4, 4))]
)
def test_other_arrays_are_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected"):
        predict_probabilities(Constant(), image, config(), "cpu")


def test_memory_does_not_grow_with_the_number_of_windows() -> None:
    """Only one batch of windows exists at a time."""

    class Counting(Constant):
        largest = 0

        def forward(self, image: Tensor) -> Tensor:
            self.largest = max(self.largest, len(image))
            return super().forward(image)

    network = Counting()
    predict_probabilities(network, noise(90, 90), config(batch_size=4), "cpu")
    assert network.largest == 4


DAYS = (5, 5, 40)


@pytest.mark.parametrize("rotations", [(0,), (0, 90, 180, 270)])
def test_a_series_is_predicted_by_the_windows_of_an_image(rotations: tuple[int, ...]) -> None:
    images = np.stack([noise(40, 33, seed) for seed in range(3)])
    network, cfg = TinySeriesNetwork(32).eval(), config(rotations=rotations, batch_size=6)
    every = predict_series(network, images, DAYS, (0, 1, 2), cfg, "cpu")
    assert every.shape == (3, 4, 40, 33)
    assert {shape for shape, _ in network.seen} <= {(2, 3, 32, 32), (1, 3, 32, 32)}
    assert {tuple(days) for _, batch in network.seen for days in batch} == {DAYS}
    # The network looks at one pixel at a time.
    pixels = torch.from_numpy(images)[None] / 255
    logits = network.forward_series(pixels, torch.tensor([DAYS]))[0]
    expected = torch.softmax(logits, 1).detach().numpy()
    np.testing.assert_allclose(every, expected, atol=1e-5)
    some = predict_series(network, images, DAYS, (2, 0), cfg, "cpu")
    assert np.array_equal(some, every[[2, 0]])


def test_a_series_of_one_is_the_image_alone() -> None:
    image, network = noise(40, 33), TinySeriesNetwork(32).eval()
    alone = predict_probabilities(network, image, config(), "cpu")
    assert np.array_equal(predict_series(network, image[None], [7], [0], config(), "cpu")[0], alone)


@pytest.mark.parametrize(
    ("images", "days"),
    [(noise(9, 9), [1]), (noise(9, 9)[None], [1, 2]), (np.stack([noise(9, 9)] * 2), [2, 1])],
)
def test_other_series_are_refused(images: NDArray[np.uint8], days: list[int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        predict_series(TinySeriesNetwork(32).eval(), images, days, [0], config(), "cpu")
