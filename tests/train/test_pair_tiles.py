"""Tiles cover every pixel, are always the same, and may be shared between processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from synthetic_pairs import SyntheticPairs

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.core.errors import UserError
from ssl4sar.models.optsimmim import OptSimMIM
from ssl4sar.models.pretext import absolute_errors
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import Window
from ssl4sar.train.pretext.pair_resize import pairs_on_device
from ssl4sar.train.pretext.pair_tiles import (
    PairTiles,
    PretextTotals,
    inside_window,
    tile_windows,
)

CPU = torch.device("cpu")
STORE = SyntheticPairs(((70, 90), (40, 130), (64, 64)), no_data=0.1)
TINY = TyrionConfig(
    input_px=64,
    embed_dim=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 2, 2, 4),
    window_tokens=4,
    legacy_post_norm_ones=True,
)


class CopiesSar:
    """Predicts the SAR image for every channel; notes its masks."""

    def __init__(self):
        self.masks = []

    def errors(self, sar, optical, valid, masked):
        self.masks.append(masked)
        return absolute_errors(sar - optical, valid, 1)


def tiles(config=None, scenes=(0, 1, 2), store=STORE, seed=0):
    return PairTiles(store, scenes, 64, config or OptTranslatorConfig(batch_size=4), seed)


def padded(array, before, size):
    widths = [(b, s - b - n) for b, s, n in zip(before, size, array.shape[:2], strict=True)]
    return np.pad(array, widths + [(0, 0)] * (array.ndim - 2), mode="symmetric")


@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    input_px=st.sampled_from([64, 128]),
)
def test_tiles_overlap_by_half_and_cover_the_image(height, width, input_px):
    windows = tile_windows(3, height, width, input_px)
    half = input_px // 2
    assert len(windows) == (height // half + 1) * (width // half + 1)
    assert all(w.image == 3 and w.height_px == w.width_px == input_px for w in windows)
    for starts, length in (
        (sorted({w.row for w in windows}), height),
        (sorted({w.column for w in windows}), width),
    ):
        assert set(np.diff(starts)) <= {half}
        before, after = -starts[0], starts[-1] + input_px - length
        assert half < before + after <= input_px
        assert abs(before - after) <= 1
    assert windows == sorted(windows, key=lambda w: (w.row, w.column))


def test_every_tile_is_compared_as_it_is():
    """Against the published way: pad the whole image, then cut."""
    expected = torch.zeros(3, dtype=torch.float64)
    for number, (height, width) in enumerate(STORE.sizes_px):
        size = [(length // 32 + 2) * 32 for length in (height, width)]
        before = [round((s - n) / 2) for s, n in zip(size, (height, width), strict=True)]
        sar = padded(STORE.sar(number), before, size) / 255
        optical = padded(STORE.optical(number), before, size)
        difference = np.abs(sar[..., None] - optical[..., :14] / 255) * (optical[..., 14:] > 0)
        for row in range(0, size[0] - 63, 32):
            for column in range(0, size[1] - 63, 32):
                window = np.s_[row : row + 64, column : column + 64]
                count = 14 * int((optical[window][..., 14] > 0).sum())
                sums = PretextTotals(float(difference[window].sum()), count, 1)
                expected += sums.as_tensor()
    expected = PretextTotals.from_tensor(expected)
    totals = tiles().validate(CopiesSar(), CPU, 0, 1, 0)
    assert (totals.counted, totals.tiles) == (expected.counted, expected.tiles)
    assert totals.tiles == len(tiles()) == 3 * 3 + 2 * 5 + 3 * 3
    assert totals.absolute == pytest.approx(expected.absolute, rel=1e-6)
    assert totals.mean == pytest.approx(expected.absolute / expected.counted, rel=1e-6)


def test_pixels_without_data_count_where_they_are_learnt():
    config = OptTranslatorConfig(ignore_no_data=False)
    totals = tiles(config).validate(CopiesSar(), CPU, 0, 1, 0)
    assert totals.counted == totals.tiles * 14 * 64 * 64
    assert totals.counted > tiles().validate(CopiesSar(), CPU, 0, 1, 0).counted


@pytest.mark.parametrize("processes", [2, 3, 40])
def test_processes_share_the_tiles(processes):
    whole = tiles().validate(CopiesSar(), CPU, 0, 1, 0)
    parts = [tiles().validate(CopiesSar(), CPU, rank, processes, 0) for rank in range(processes)]
    assert sum(part.tiles for part in parts) == whole.tiles
    summed = PretextTotals.from_tensor(sum(part.as_tensor() for part in parts))
    assert (summed.counted, summed.tiles) == (whole.counted, whole.tiles)
    assert summed.absolute == pytest.approx(whole.absolute, rel=1e-12)
    assert summed.mean == pytest.approx(whole.mean, rel=1e-12)


def masks_of(config, epoch, **changes):
    network = CopiesSar()
    tiles(config, **changes).validate(network, CPU, 0, 1, epoch)
    return torch.cat(network.masks)


def test_masks_are_the_same_at_every_validation():
    config = OptSimMIMConfig()
    masks = masks_of(config, 0)
    assert (masks.shape, masks.dtype) == ((28, 77), torch.int32)
    assert torch.equal(masks_of(config, 5), masks)
    assert not torch.equal(masks_of(config, 0, seed=1), masks)
    # No two tiles are masked alike, and a mask belongs to the image, not to its number.
    assert len({tuple(row) for row in masks.tolist()}) == 28
    assert torch.equal(masks_of(config, 0, scenes=(1,)), masks[9:19])


def test_masks_of_the_original_change_from_validation_to_validation():
    config = OptSimMIMConfig(legacy_random_validation_masks=True)
    assert torch.equal(masks_of(config, 1), masks_of(config, 1))
    assert not torch.equal(masks_of(config, 1), masks_of(config, 2))


def test_the_loss_is_that_of_the_masked_tokens():
    torch.manual_seed(0)
    network = OptSimMIM(TINY).eval()
    config = OptSimMIMConfig(batch_size=5)
    totals = tiles(config).validate(network, CPU, 0, 1, 0)
    dataset = tiles(config)._dataset
    batches = [dataset[BatchKey(0, (index,))] for index in range(28)]
    with torch.no_grad():
        errors = [
            network.errors(*pairs_on_device(batch, 64)[:3], batch.masked) for batch in batches
        ]
    assert totals.counted == sum(int(e.counted) for e in errors)
    assert totals.absolute == pytest.approx(sum(float(e.absolute) for e in errors), rel=1e-5)
    assert totals.counted < 28 * 77 * 16 * 14


def test_chosen_tiles_are_spread_over_all_images():
    chosen = tiles(OptSimMIMConfig()).chosen(3)
    assert [(s.name, s.number) for s in chosen] == [
        (STORE.scenes[0].name, 4),
        (STORE.scenes[1].name, 5),
        (STORE.scenes[2].name, 4),
    ]
    for sample in chosen:
        assert sample.sar.shape == (1, 64, 64)
        assert sample.optical.shape == (14, 64, 64)
        assert sample.valid.shape == (1, 64, 64)
        assert sample.masked.shape == (77,)
    everything = tiles().chosen(99)
    assert len({(s.name, s.number) for s in everything}) == len(everything) == 28
    assert everything[0].masked is None


def test_a_chosen_tile_shows_its_image_and_no_mirrored_margin():
    for sample in tiles().chosen(28):
        number = next(i for i, scene in enumerate(STORE.scenes) if scene.name == sample.name)
        image = torch.from_numpy(np.array(STORE.sar(number)))
        rows, columns = (min(side, 64) for side in image.shape)
        assert sample.inside.sum() == rows * columns
        shown = (sample.sar[0][sample.inside] * 255).round().to(torch.uint8).view(rows, columns)
        places = image.unfold(0, rows, 1).unfold(1, columns, 1)
        assert (places == shown).all(dim=3).all(dim=2).any()


@given(start=st.integers(-99, 400), length=st.integers(1, 400), side=st.sampled_from([64, 128]))
def test_a_tile_is_moved_no_further_than_into_its_image(start, length, side):
    row = inside_window(Window(0, start, 0, side, side), length, side).row
    if length < side:
        assert abs((side - length) + 2 * row) <= 1
    else:
        assert 0 <= row <= length - side
        assert row == start or row in {0, length - side}


def test_a_chosen_tile_has_the_mask_of_the_validation():
    config = OptSimMIMConfig()
    chosen = tiles(config).chosen(28)
    assert torch.equal(torch.stack([s.masked for s in chosen]), masks_of(config, 7))


def test_without_any_data_there_is_no_loss():
    store = SyntheticPairs(((70, 90),), no_data=1.1)
    totals = tiles(scenes=(0,), store=store).validate(CopiesSar(), CPU, 0, 1, 0)
    assert (totals.counted, totals.tiles) == (0, 9)
    with pytest.raises(UserError, match="no pixel of the 9 tiles counts"):
        _ = totals.mean
