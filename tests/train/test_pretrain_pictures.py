"""Pictures of the pretext tasks: kept epoch by epoch, gathered after each and in the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_pairs import SyntheticPairs

from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.core.pair_layout import RGB_CHANNELS
from ssl4sar.report.pretext_panels import read_panels
from ssl4sar.train.pretext.pair_tiles import PairTiles
from ssl4sar.train.pretext.pretrain_pictures import PretextPictures

CPU = torch.device("cpu")
STORE = SyntheticPairs(((70, 90), (64, 64)))


class Paints:
    """Predicts a value for each channel; notes what it was given."""

    def __init__(self, level=0.5):
        self.level = level
        self.given = []

    def picture(self, sar, masked):
        self.given.append((sar, masked))
        channels = torch.arange(14).view(1, 14, 1, 1) / 100
        return (self.level + channels).expand(1, 14, 64, 64)


def pictures(folder, config=None, count=2, synthetic=True):
    tiles = PairTiles(STORE, (0, 1), 64, config or OptTranslatorConfig(), 0)
    made = PretextPictures(tiles, count, folder / "pictures", synthetic=synthetic)
    return made, tiles.chosen(count)


def gathered(made, folder, epochs):
    made.gather(folder / "p.npz", epochs)
    with np.load(folder / "p.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_predictions_are_red_green_and_blue_within_the_range_of_bytes(tmp_path):
    made, samples = pictures(tmp_path)
    for epoch, level in ((1, 0.5), (2, -3.0), (3, 7.0)):
        made.draw(Paints(level), CPU, epoch)
    arrays = gathered(made, tmp_path, [1, 2, 3])
    assert arrays["predicted"].shape == (3, 2, 3, 64, 64)
    for place, channel in enumerate(RGB_CHANNELS):
        expected = round(255 * (0.5 + channel / 100))
        assert set(arrays["predicted"][0, :, place].ravel().tolist()) == {expected}
    assert not arrays["predicted"][1].any()
    assert (arrays["predicted"][2] == 255).all()
    assert arrays["names"].tolist() == [sample.name for sample in samples]
    for number, sample in enumerate(samples):
        np.testing.assert_array_equal(arrays["sar"][number], (sample.sar[0] * 255).round())
        colours = sample.optical[list(RGB_CHANNELS)]
        np.testing.assert_array_equal(arrays["true"][number], (colours * 255).round())
    assert "masked" not in arrays


def test_what_is_beyond_a_small_image_is_black(tmp_path):
    store = SyntheticPairs(((40, 90),))
    made = PretextPictures(
        PairTiles(store, (0,), 64, OptTranslatorConfig(), 0), 1, tmp_path / "p", synthetic=True
    )
    made.draw(Paints(), CPU, 1)
    arrays = gathered(made, tmp_path, [1])
    for shown in (arrays["sar"][0], arrays["true"][0], arrays["predicted"][0, 0]):
        assert not shown[..., :12, :].any()
        assert not shown[..., 52:, :].any()
        assert shown[..., 12:52, :].any(axis=-1).all()


def test_masked_tokens_are_those_that_the_network_does_not_see(tmp_path):
    made, samples = pictures(tmp_path, OptSimMIMConfig())
    network = Paints()
    made.draw(network, CPU, 1)
    arrays = gathered(made, tmp_path, [1])
    for number, ((sar, masked), sample) in enumerate(zip(network.given, samples, strict=True)):
        assert torch.equal(sar[0], sample.sar)
        assert torch.equal(masked[0], sample.masked)
        hidden = np.isin(np.arange(256), sample.masked).reshape(16, 16).repeat(4, 0).repeat(4, 1)
        np.testing.assert_array_equal(arrays["masked"][number], hidden)


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("config", [OptSimMIMConfig(), OptTranslatorConfig()], ids=["mim", "trans"])
def test_what_is_drawn_so_far_can_be_read_after_every_drawing(tmp_path, config, synthetic):
    made, samples = pictures(tmp_path, config, synthetic=synthetic)
    # Drawn by a run that was killed before it saved epoch 9; this one has not come so far.
    made.draw(Paints(), CPU, 9)
    for number, epoch in enumerate((1, 4), start=1):
        made.draw(Paints(epoch / 10), CPU, epoch)
        panels = read_panels(tmp_path / "pictures.npz")
        assert panels.epochs == (1, 4)[:number]
        assert panels.names == tuple(sample.name for sample in samples)
        assert panels.synthetic is synthetic
        made.gather(tmp_path / "end.npz", range(1, epoch + 1))
        assert (tmp_path / "end.npz").read_bytes() == (tmp_path / "pictures.npz").read_bytes()


def test_clearing_removes_the_pictures_and_nothing_else(tmp_path):
    made, _ = pictures(tmp_path)
    made.clear()  # there is no folder yet
    made.draw(Paints(), CPU, 1)
    (tmp_path / "pictures" / "mine.txt").write_text("kept")
    made.clear()
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
