"""A pair store holds what the files hold, one copy, and refuses what does not fit together."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_folder import PairFolder

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray
from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.optical import optical_bytes, read_channels
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_store import DEPTH, PairStore
from ssl4sar.dataset.staging import staged


def test_a_store_returns_what_the_files_hold(
    built_pairs: Path, pairs: PairFolder, manifest: PairManifest
) -> None:
    store = PairStore.open(built_pairs)
    assert len(store) == 8
    assert store.numbers("train") == tuple(range(6))
    assert store.numbers("val") == (6, 7)
    assert store.synthetic
    assert store.included_test_glaciers == ("B",)
    for number, (scene, image) in enumerate(zip(store.scenes, manifest.sar, strict=True)):
        assert image.file.endswith(f"/{scene.name}.png")
        assert (scene.split, scene.glacier, scene.date) == (image.split, image.glacier, image.date)
        np.testing.assert_array_equal(store.sar(number), read_gray(pairs.root / image.file))
        raster = pairs.root / f"data_optical/{scene.glacier}_20200715_S2.tif"
        expected, tops = optical_bytes(read_channels(raster), "maximum")
        np.testing.assert_array_equal(store.optical(number), expected)
        partner = store.glaciers[scene.glacier]
        assert partner.tops == pytest.approx(tops)
        assert store.optical(number).shape == (scene.height, scene.width, DEPTH)
        assert partner.valid_fraction == (expected[..., -1] == 255).mean()


def test_images_of_a_glacier_share_one_optical_image(built_pairs: Path) -> None:
    store = PairStore.open(built_pairs)
    assert store.scenes[0].glacier == store.scenes[1].glacier == store.scenes[6].glacier
    assert np.shares_memory(store.optical(0), store.optical(1))
    assert not np.shares_memory(store.optical(0), store.optical(2))
    assert (built_pairs / "optical.u8").stat().st_size == (40 * 50 + 30 * 36 + 20 * 24) * DEPTH
    with pytest.raises(ValueError, match="read-only"):
        store.optical(0)[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        store.sar(0)[0, 0] = 1


def test_a_pickled_store_carries_no_pixels(built_pairs: Path) -> None:
    store = PairStore.open(built_pairs)
    data = pickle.dumps(store)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert again.sha256 == store.sha256
    np.testing.assert_array_equal(again.optical(3), store.optical(3))


def test_a_window_of_all_channels_is_mirrored(built_pairs: Path) -> None:
    optical = PairStore.open(built_pairs).optical(0)
    out = np.empty((64, 64, DEPTH), np.uint8)
    reflect_crop(optical, -5, 8, 64, 64, out)
    padded = np.pad(optical, ((5, 19), (0, 22), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(out, padded[:, 8:])


def test_opening_refuses_what_does_not_fit_together(built_pairs: Path) -> None:
    with pytest.raises(UserError, match=r"none/index\.json: there is no pair store"):
        PairStore.open(built_pairs.parent / "none")
    for name in ("sar.u8", "optical.u8"):
        path = built_pairs / name
        size = path.stat().st_size
        os.truncate(path, size - 1)
        with pytest.raises(UserError, match=rf"{name}: the array has {size - 1} bytes"):
            PairStore.open(built_pairs)
        os.truncate(path, size)
    (built_pairs / "sar.u8").unlink()
    with pytest.raises(UserError, match=r"sar\.u8: the array cannot be read"):
        PairStore.open(built_pairs)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda index: index.update(schema="other/9"), "schema other/9"),
        (lambda index: index["scenes"][1].update(offset=5), "is not where it should be"),
        (lambda index: index["glaciers"][1].update(offset=5), "B is not where it should be"),
        (lambda index: index["scenes"][1].update(colour="red"), "cannot be read"),
        (lambda index: index["glaciers"][1].pop("tops"), "cannot be read"),
        (lambda index: index["scenes"][1].update(glacier="X"), "no optical image of its size"),
        (lambda index: index["scenes"][0].update(height=50, width=40), "no optical image of its"),
        (lambda index: index["scenes"].clear(), "not complete"),
        (lambda index: index.pop("synthetic"), "not complete"),
        (lambda index: index["sha256"].update(other="0"), "not complete"),
        (lambda index: index.pop("sha256"), "cannot be read"),
    ],
)
def test_a_changed_index_is_refused(
    built_pairs: Path, change: Callable[[dict[str, Any]], Any], told: str
) -> None:
    path = built_pairs / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=told) as caught:
        PairStore.open(built_pairs)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "", "\x00"])
def test_a_damaged_index_is_refused(built_pairs: Path, text: str) -> None:
    (built_pairs / "index.json").write_text(text)
    with pytest.raises(UserError, match=r"index\.json: the index cannot be read"):
        PairStore.open(built_pairs)


def test_a_store_is_copied_to_a_disk_of_the_node(built_pairs: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    original = PairStore.open(built_pairs)
    with staged(built_pairs, str(scratch)) as folder:
        assert folder.is_relative_to(scratch)
        copy = PairStore.open(folder)
        assert copy.sha256 == original.sha256
        np.testing.assert_array_equal(copy.optical(7), original.optical(7))
    assert not folder.exists()
    (built_pairs / "optical.u8").write_bytes(b"x" * (built_pairs / "optical.u8").stat().st_size)
    with pytest.raises(UserError, match=r"optical\.u8: the file does not have the content"):
        with staged(built_pairs, str(scratch)):
            pass
