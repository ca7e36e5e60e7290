"""Both stores hold what the files hold, in one copy, and refuse what does not fit together."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_folder import PairFolder

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.zones import classes_from_greys
from ssl4sar.dataset.decoding import build_pair_store, build_store
from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.optical import optical_bytes, read_channels
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_store import DEPTH, PairStore
from ssl4sar.dataset.pair_validation import validate_pairs
from ssl4sar.dataset.staging import staged
from ssl4sar.dataset.store import Store

Opener = Callable[[Path], Store | PairStore]
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def names(tiny_caffe: Path) -> tuple[list[str], list[str]]:
    listed = CaffeTree(tiny_caffe).names("train")
    return listed[:4], listed[4:]


@pytest.fixture
def built(tiny_caffe: Path, names: tuple[list[str], list[str]], tmp_path: Path) -> Path:
    build_store(CaffeTree(tiny_caffe), *names, tmp_path / "built")
    return tmp_path / "built"


@pytest.fixture(params=["scenes", "pairs"])
def kind(request: pytest.FixtureRequest) -> tuple[Path, Opener]:
    """A store of either kind, and what opens it."""
    if request.param == "scenes":
        return request.getfixturevalue("built"), Store.open
    return request.getfixturevalue("built_pairs"), PairStore.open


def first_images(store: Store | PairStore) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(store, Store):
        return store.image(0), store.zones(0)
    return store.sar(0), store.optical(0)


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
        front = read_gray(tree.front("train", scene.name))
        np.testing.assert_array_equal(store.front(number), front // 255)


def test_a_pair_store_returns_what_the_files_hold(
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
    assert store.scenes[0].glacier == store.scenes[1].glacier == store.scenes[6].glacier
    assert np.shares_memory(store.optical(0), store.optical(1))
    assert not np.shares_memory(store.optical(0), store.optical(2))
    assert (built_pairs / "optical.u8").stat().st_size == (40 * 50 + 30 * 36 + 20 * 24) * DEPTH


def test_views_share_memory_are_read_only_and_travel_as_a_path(kind: tuple[Path, Opener]) -> None:
    folder, opened = kind
    store = opened(folder)
    for image, again in zip(first_images(store), first_images(store), strict=True):
        assert np.shares_memory(image, again)
        with pytest.raises(ValueError, match="read-only"):
            image[0, 0] = 1
    data = pickle.dumps(store)
    assert len(data) < 1000
    other = pickle.loads(data)
    assert other.sha256 == store.sha256
    for image, again in zip(first_images(store), first_images(other), strict=True):
        np.testing.assert_array_equal(image, again)


def test_equal_input_gives_equal_identity_and_other_input_another(
    built: Path,
    built_pairs: Path,
    tiny_caffe: Path,
    names: tuple[list[str], list[str]],
    manifest: PairManifest,
    tmp_path: Path,
) -> None:
    build_store(CaffeTree(tiny_caffe), *names, tmp_path / "again")
    build_store(CaffeTree(tiny_caffe), [*names[0], *names[1]], [], tmp_path / "no validation")
    assert Store.open(tmp_path / "again").sha256 == Store.open(built).sha256
    other = Store.open(tmp_path / "no validation")
    assert len(other) == 6
    assert other.sha256 != Store.open(built).sha256
    build_pair_store(manifest, "maximum", tmp_path / "same")
    build_pair_store(manifest, "percentile", tmp_path / "other")
    identity = PairStore.open(built_pairs).sha256
    assert PairStore.open(tmp_path / "same").sha256 == identity
    assert PairStore.open(tmp_path / "other").sha256 != identity


@pytest.mark.parametrize("broken", ["sar", "zones", "front", "box"])
def test_a_missing_file_leaves_no_store(broken: str, tmp_path: Path, own_tree: CaffeTree) -> None:
    names = own_tree.names("train")
    place = (names[-1],) if broken == "box" else ("train", names[-1])
    path = getattr(own_tree, broken)(*place)
    path.unlink()
    with pytest.raises(UserError, match=path.name):
        build_store(own_tree, names[:-1], names[-1:], tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_bad_scenes_are_named(own_tree: CaffeTree, tmp_path: Path) -> None:
    first, second, *_ = own_tree.names("train")
    write_gray(own_tree.zones("train", first), np.full((24, 35), 64, np.uint8))
    with pytest.raises(UserError, match=rf"{first}_zones\.png: the mask is 24x35 px"):
        build_store(own_tree, [first], [], tmp_path / "store")
    write_gray(own_tree.zones("train", second), np.full((24, 36), 65, np.uint8))
    with pytest.raises(UserError, match=rf"{second}_zones\.png: grey value 65"):
        build_store(own_tree, [second], [], tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_the_spacing_is_that_of_the_image_or_its_partner(pairs: PairFolder, tmp_path: Path) -> None:
    import rasterio

    transform = rasterio.Affine(20, 0, 500000, 0, -20, 7600000)
    values = pairs.reflectance("A", (40, 50))
    pairs.raster("A_20200715_S2.tif", values, crs="EPSG:32622", transform=transform)
    report = validate_pairs(pairs.root, PairRules("local", ()))
    build_pair_store(report.checked_manifest("r"), "maximum", tmp_path / "store")
    spacings = {s.glacier: s.spacing_m for s in PairStore.open(tmp_path / "store").scenes}
    assert spacings == {"A": 20.0, "B": None, "C": None}


@pytest.mark.parametrize("what", ["sar", "optical"])
@pytest.mark.parametrize("harm", ["missing", "other"])
def test_an_image_that_was_not_checked_leaves_no_store(
    pairs: PairFolder, manifest: PairManifest, tmp_path: Path, what: str, harm: str
) -> None:
    path = manifest.path(manifest.sar[-1] if what == "sar" else manifest.optical[-1])
    if harm == "missing":
        path.unlink()
    elif what == "sar":
        write_gray(path, read_gray(path)[::-1])
    else:
        pairs.raster(path.name, pairs.reflectance("other", (20, 24)))
    problem = "the file is missing" if harm == "missing" else "not the one that was checked"
    with pytest.raises(UserError, match=f"{path.name}: .*{problem}"):
        build_pair_store(manifest, "maximum", tmp_path / "store")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_opening_refuses_missing_and_cut_arrays(kind: tuple[Path, Opener]) -> None:
    folder, opened = kind
    with pytest.raises(UserError, match=r"none/index\.json: there is no (training|pair) store"):
        opened(folder.parent / "none")
    for path in folder.glob("*.u8"):
        content = path.read_bytes()
        os.truncate(path, len(content) - 1)
        with pytest.raises(UserError, match=rf"{path.name}: the array has {len(content) - 1} byte"):
            opened(folder)
        path.unlink()
        with pytest.raises(UserError, match=rf"{path.name}: the array cannot be read"):
            opened(folder)
        path.write_bytes(content)
    for text in ("{", "[]", "", "\x00"):
        (folder / "index.json").write_text(text)
        with pytest.raises(UserError, match=r"index\.json: the index cannot be read"):
            opened(folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda index: index.update(schema="other/9"), "schema other/9"),
        (lambda index: index["scenes"][1].pop("offset"), "cannot be read"),
        (lambda index: index.pop("scenes"), "cannot be read"),
    ],
)
def test_an_index_of_another_version_is_refused(
    kind: tuple[Path, Opener], change: Change, problem: str
) -> None:
    path = kind[0] / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=problem) as caught:
        kind[1](kind[0])
    assert str(path) in str(caught.value)


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


def reference_crop(array: np.ndarray, row: int, column: int, height: int, width: int) -> np.ndarray:
    before = [max(0, -row), max(0, -column)]
    after = [max(0, row + height - array.shape[0]), max(0, column + width - array.shape[1])]
    sides = [*zip(before, after, strict=True), *([(0, 0)] * (array.ndim - 2))]
    padded = np.pad(array, sides, mode="symmetric")
    row, column = row + before[0], column + before[1]
    return padded[row : row + height, column : column + width]


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 3)),
    row=st.integers(-25, 25),
    column=st.integers(-25, 25),
    window=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    channels_first=st.booleans(),
)
def test_a_crop_equals_one_of_a_mirrored_image(
    shape: tuple[int, int, int],
    row: int,
    column: int,
    window: tuple[int, int],
    channels_first: bool,
) -> None:
    size = shape if shape[2] else shape[:2]
    array = np.arange(np.prod(size), dtype=np.uint8).reshape(size)
    out = np.full((*window, *size[2:]), 255, np.uint8)
    if channels_first and shape[2]:
        array = np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0)
        out = np.ascontiguousarray(out.transpose(2, 0, 1)).transpose(1, 2, 0)
    reflect_crop(array, row, column, *window, out)
    np.testing.assert_array_equal(out, reference_crop(array, row, column, *window))


def test_a_crop_fills_a_strided_buffer_and_refuses_a_wrong_one() -> None:
    array = np.arange(20, dtype=np.uint8).reshape(4, 5)
    batch = np.zeros((2, 3, 6, 7), np.uint8)
    reflect_crop(array, -1, -1, 6, 7, batch[1, 2])
    np.testing.assert_array_equal(batch[1, 2], np.pad(array, 1, mode="symmetric"))
    assert not batch[0].any()
    for shape, out, problem in (
        ((4, 4), (2, 3), "buffer"),
        ((4, 4, 3), (2, 2), "buffer"),
        ((0, 4), (2, 2), "empty image"),
    ):
        with pytest.raises(ValueError, match=problem):
            reflect_crop(np.zeros(shape, np.uint8), 0, 0, 2, 2, np.zeros(out, np.uint8))
