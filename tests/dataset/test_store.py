from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.zones import classes_from_greys
from ssl4sar.dataset.decoding import build_store
from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.store import Store


@pytest.fixture
def names(tiny_caffe: Path) -> tuple[list[str], list[str]]:
    listed = CaffeTree(tiny_caffe).names("train")
    return listed[:4], listed[4:]


@pytest.fixture
def built(tiny_caffe: Path, names: tuple[list[str], list[str]], tmp_path: Path) -> Path:
    build_store(CaffeTree(tiny_caffe), *names, tmp_path / "store")
    return tmp_path / "store"


def test_a_store_returns_what_the_files_hold(
    built: Path, tiny_caffe: Path, names: tuple[list[str], list[str]]
) -> None:
    tree = CaffeTree(tiny_caffe)
    store = Store.open(built)
    assert [scene.name for scene in store.scenes] == [*names[0], *names[1]]
    assert [scene.split for scene in store.scenes] == ["train"] * 4 + ["val"] * 2
    for number, scene in enumerate(store.scenes):
        zones_path = tree.zones("train", scene.name)
        image = read_gray(tree.sar("train", scene.name))
        np.testing.assert_array_equal(store.image(number), image)
        np.testing.assert_array_equal(
            store.zones(number), classes_from_greys(read_gray(zones_path), zones_path)
        )
        assert (scene.height, scene.width) == image.shape
        assert scene.glacier == scene.name.split("_")[0]
        assert scene.resolution_m == int(scene.name.split("_")[3])
        assert scene.box == BoundingBox.read(tree.box(scene.name))
        if scene.split == "val":
            front = read_gray(tree.front("train", scene.name))
            np.testing.assert_array_equal(store.front(number), front // 255)
        else:
            with pytest.raises(ValueError, match=scene.name):
                store.front(number)


def test_views_share_memory_and_are_read_only(built: Path) -> None:
    store = Store.open(built)
    assert np.shares_memory(store.image(0), store.image(0))
    assert not store.image(0).flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        store.zones(1)[0, 0] = 1


def test_a_pickled_store_carries_no_pixels(built: Path) -> None:
    store = Store.open(built)
    data = pickle.dumps(store)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert again.sha256 == store.sha256
    np.testing.assert_array_equal(again.image(3), store.image(3))


def test_equal_input_gives_equal_identity_and_other_input_another(
    built: Path, tiny_caffe: Path, names: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    build_store(CaffeTree(tiny_caffe), *names, tmp_path / "again")
    build_store(CaffeTree(tiny_caffe), names[0][1:], names[1], tmp_path / "fewer")
    assert Store.open(tmp_path / "again").sha256 == Store.open(built).sha256
    assert Store.open(tmp_path / "fewer").sha256 != Store.open(built).sha256


def test_a_store_without_validation_scenes_opens(tiny_caffe: Path, tmp_path: Path) -> None:
    build_store(CaffeTree(tiny_caffe), CaffeTree(tiny_caffe).names("train"), [], tmp_path / "s")
    assert len(Store.open(tmp_path / "s")) == 6


@pytest.mark.parametrize("broken", ["image", "zones", "front", "box"])
def test_a_missing_file_leaves_no_store(broken: str, tmp_path: Path, tiny_caffe: Path) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tiny_caffe, root)
    tree = CaffeTree(root)
    names = tree.names("train")
    path = {
        "image": tree.sar("train", names[-1]),
        "zones": tree.zones("train", names[-1]),
        "front": tree.front("train", names[-1]),
        "box": tree.box(names[-1]),
    }[broken]
    path.unlink()
    with pytest.raises(UserError, match=path.name):
        build_store(tree, names[:-1], names[-1:], tmp_path / "store")
    assert not [path for path in tmp_path.iterdir() if path.name != "tree"]


def test_bad_scenes_are_named(tiny_caffe: Path, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tiny_caffe, root)
    tree = CaffeTree(root)
    first, second, *_ = tree.names("train")
    with pytest.raises(UserError, match=f"{first}.*twice"):
        build_store(tree, [first], [first], tmp_path / "store")
    write_gray(tree.zones("train", first), np.full((24, 35), 64, np.uint8))
    with pytest.raises(UserError, match=rf"{first}_zones\.png: the mask is 24x35 px"):
        build_store(tree, [first], [], tmp_path / "store")
    write_gray(tree.zones("train", second), np.full((24, 36), 65, np.uint8))
    with pytest.raises(UserError, match=rf"{second}_zones\.png: grey value 65"):
        build_store(tree, [second], [], tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_opening_refuses_what_does_not_fit_together(built: Path) -> None:
    with pytest.raises(UserError, match=r"none/index\.json: there is no training store"):
        Store.open(built.parent / "none")
    zones = built / "zones.u8"
    os.truncate(zones, zones.stat().st_size - 1)
    with pytest.raises(UserError, match=r"zones\.u8: the array has"):
        Store.open(built)
    zones.unlink()
    with pytest.raises(UserError, match=r"zones\.u8: the array cannot be read"):
        Store.open(built)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda index: index.update(schema="other/9"), "schema other/9"),
        (lambda index: index["scenes"][1].update(offset=5), "is not where it should be"),
        (lambda index: index["scenes"][1].update(colour="red"), "cannot be read"),
        (lambda index: index["scenes"][1].pop("box"), "cannot be read"),
        (lambda index: index["scenes"].clear(), "not complete"),
        (lambda index: index.pop("sha256"), "cannot be read"),
    ],
)
def test_a_changed_index_is_refused(built: Path, change: object, told: str) -> None:
    path = built / "index.json"
    index = json.loads(path.read_text())
    change(index)  # type: ignore[operator]
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=told) as caught:
        Store.open(built)
    assert str(path) in str(caught.value)


def test_a_damaged_index_is_refused(built: Path) -> None:
    (built / "index.json").write_text("{")
    with pytest.raises(UserError, match=r"index\.json: the index cannot be read"):
        Store.open(built)


def reference_crop(array: np.ndarray, row: int, column: int, height: int, width: int) -> np.ndarray:
    before = [max(0, -row), max(0, -column)]
    after = [max(0, row + height - array.shape[0]), max(0, column + width - array.shape[1])]
    padded = np.pad(array, list(zip(before, after, strict=True)), mode="symmetric")
    row, column = row + before[0], column + before[1]
    return padded[row : row + height, column : column + width]


@settings(max_examples=300, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    row=st.integers(-25, 25),
    column=st.integers(-25, 25),
    window=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_a_crop_equals_one_of_a_mirrored_image(
    shape: tuple[int, int], row: int, column: int, window: tuple[int, int]
) -> None:
    array = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    out = np.full(window, 255, np.uint8)
    reflect_crop(array, row, column, *window, out)
    np.testing.assert_array_equal(out, reference_crop(array, row, column, *window))


@settings(max_examples=200, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    row=st.integers(-25, 25),
    column=st.integers(-25, 25),
    window=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    channels_first=st.booleans(),
)
def test_channels_are_cropped_alike(
    shape: tuple[int, int, int],
    row: int,
    column: int,
    window: tuple[int, int],
    channels_first: bool,
) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    out = np.full((*window, shape[2]), 255, np.uint8)
    if channels_first:
        planes = np.full((shape[2], *window), 255, np.uint8)
        apart = np.ascontiguousarray(array.transpose(2, 0, 1))
        reflect_crop(apart.transpose(1, 2, 0), row, column, *window, planes.transpose(1, 2, 0))
        out = planes.transpose(1, 2, 0)
    else:
        reflect_crop(array, row, column, *window, out)
    for channel in range(shape[2]):
        np.testing.assert_array_equal(
            out[..., channel], reference_crop(array[..., channel], row, column, *window)
        )


def test_a_crop_fills_a_strided_buffer() -> None:
    array = np.arange(20, dtype=np.uint8).reshape(4, 5)
    batch = np.zeros((2, 3, 6, 7), np.uint8)
    reflect_crop(array, -1, -1, 6, 7, batch[1, 2])
    np.testing.assert_array_equal(batch[1, 2], np.pad(array, 1, mode="symmetric"))
    assert not batch[0].any()


def test_a_crop_refuses_a_wrong_buffer_and_an_empty_image() -> None:
    with pytest.raises(ValueError, match="buffer"):
        reflect_crop(np.zeros((4, 4), np.uint8), 0, 0, 2, 2, np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="buffer"):
        reflect_crop(np.zeros((4, 4, 3), np.uint8), 0, 0, 2, 2, np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="empty image"):
        reflect_crop(np.zeros((0, 4), np.uint8), 0, 0, 2, 2, np.zeros((2, 2), np.uint8))
