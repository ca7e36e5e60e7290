"""The rendered pairs: names, counts, grids, files, seeds."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, read_text
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS, optical_glacier, sar_glacier
from ssl4sar.core.scene_name import GLACIERS
from ssl4sar.synthetic.optical import BANDS, SCL_BAND
from ssl4sar.synthetic.pairs import (
    FIRST_DAY,
    LAST_DAY,
    OpticalPlan,
    SarPlan,
    average_grey,
    average_optical,
    glacier_names,
    plan_pairs,
    render_pair_image,
    render_pairs,
)

rasterio = pytest.importorskip("rasterio")
TINY = PairSceneConfig(glaciers=2, train_images=3, val_images=2, extent_km=3.0, spacing_m=60)


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256_file(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    render_pairs(TINY, folder)
    return folder


def sar_plans(config: PairSceneConfig) -> list[SarPlan]:
    return [plan for plan in plan_pairs(config) if isinstance(plan, SarPlan)]


def test_plan_shares_both_splits_evenly() -> None:
    config = PairSceneConfig(glaciers=14, train_images=150, val_images=20)
    plans = plan_pairs(config)
    assert plans == plan_pairs(config)
    assert Counter(p.split for p in sar_plans(config)) == {"train": 150, "val": 20}
    optical = [plan for plan in plans if isinstance(plan, OpticalPlan)]
    assert [plan.glacier for plan in optical] == glacier_names(14)
    for split, low, high in (("train", 10, 11), ("val", 1, 2)):
        counts = Counter(p.glacier for p in sar_plans(config) if p.split == split)
        assert set(counts) == set(glacier_names(14))
        assert {low, high} == set(counts.values())


def test_days_of_a_glacier_differ_and_are_in_the_years() -> None:
    days = defaultdict(list)
    for plan in sar_plans(PairSceneConfig(train_images=1400, val_images=140)):
        days[plan.glacier].append(plan.day)
    for found in days.values():
        assert len(set(found)) == len(found)
        assert FIRST_DAY <= min(found) < max(found) <= LAST_DAY
        assert {day.month for day in found} == set(range(1, 13))


def test_optical_images_are_of_summer() -> None:
    days = [p.day for p in plan_pairs(PairSceneConfig(glaciers=99)) if isinstance(p, OpticalPlan)]
    assert {day.month for day in days} == {6, 7, 8}
    assert {day.year for day in days} == {2016, 2017, 2018, 2019}


def test_names_follow_the_layout_and_are_no_glaciers_of_caffe() -> None:
    for plan in plan_pairs(PairSceneConfig()):
        folder, name = plan.file.split("/")
        read = optical_glacier if isinstance(plan, OpticalPlan) else sar_glacier
        assert read(name) == plan.glacier
        assert folder in (OPTICAL_FOLDER, *SAR_FOLDERS.values())
        assert plan.glacier not in (*GLACIERS, "Columbia")
    plan = sar_plans(PairSceneConfig())[0]
    assert plan.file.endswith(f"/S1_Synthetic01_{plan.day:%Y%m%d}_{plan.orbit}.png")


def test_more_images_than_days_are_refused() -> None:
    with pytest.raises(UserError, match="1827 images of one glacier"):
        plan_pairs(PairSceneConfig(glaciers=1, train_images=1820, val_images=7))


def test_dataset_is_complete_and_says_that_it_is_synthetic(root: Path) -> None:
    assert set(hashes(root)) == {"README.txt", *(plan.file for plan in plan_pairs(TINY))}
    assert "SYNTHETIC" in (root / "README.txt").read_text()
    for path in root.rglob("*.png"):
        text = read_text(path)
        assert text["Comment"].startswith("SYNTHETIC")
        assert text["Pixel size (m)"] == "60"
    for path in root.rglob("*.tif"):
        with rasterio.open(path) as file:
            assert file.tags()["COMMENT"].startswith("SYNTHETIC")
            assert file.descriptions == BANDS
            assert file.res == (60.0, 60.0)
            assert set(file.dtypes) == {"float32"}


def test_images_of_a_glacier_share_one_grid(root: Path) -> None:
    shapes = defaultdict(set)
    for path in root.rglob("*.png"):
        shapes[sar_glacier(path.name)].add(read_gray(path).shape)
    for path in root.rglob("*.tif"):
        with rasterio.open(path) as file:
            shapes[optical_glacier(path.name)].add(file.shape)
            # The made-up area lies around (0, 0).
            left, bottom, right, top = file.bounds
            assert left + right == pytest.approx(0, abs=61)
            assert bottom + top == pytest.approx(0, abs=61)
    assert set(shapes) == set(glacier_names(2))
    assert all(len(found) == 1 for found in shapes.values())
    for ((height, width),) in shapes.values():
        assert 0.78 * 3000 < height * 60 < 1.22 * 3000
        assert 0.78 * 3000 < width * 60 < 1.22 * 3000


@pytest.mark.slow
def test_same_seed_same_bytes_for_any_number_of_workers(root: Path, tmp_path: Path) -> None:
    render_pairs(TINY, tmp_path, workers=2)
    assert hashes(tmp_path) == hashes(root)


def test_an_image_does_not_depend_on_those_before_it(root: Path, tmp_path: Path) -> None:
    plans = plan_pairs(TINY)
    for plan in (plans[-1], plans[0]):
        render_pair_image(TINY, plan, tmp_path)
    alone = hashes(tmp_path)
    assert len(alone) == 2
    assert alone.items() <= hashes(root).items()


def test_difficulty_leaves_the_optical_image_and_the_plan_alone(root: Path, tmp_path: Path) -> None:
    easy = TINY.model_copy(update={"difficulty": 0.0})
    files = [plan.file for plan in plan_pairs(TINY)]
    assert [plan.file for plan in plan_pairs(easy)] == files
    for plan in plan_pairs(easy)[:2]:
        render_pair_image(easy, plan, tmp_path)
    mine, others = hashes(tmp_path), hashes(root)
    assert mine[files[0]] == others[files[0]]
    assert mine[files[1]] != others[files[1]]


@pytest.mark.slow
def test_some_optical_images_end_at_the_edge_of_the_tile(tmp_path: Path) -> None:
    config = PairSceneConfig(glaciers=8, train_images=8, extent_km=3.0, spacing_m=100, seed=4)
    shares = []
    for plan in plan_pairs(config):
        if isinstance(plan, OpticalPlan):
            render_pair_image(config, plan, tmp_path)
            with rasterio.open(tmp_path / plan.file) as file:
                empty = np.isnan(file.read())
            # All bands are missing together.
            assert (empty == empty[0]).all()
            shares.append(empty[0].mean())
    assert 0 < max(shares) < 0.6
    assert min(shares) == 0


def test_grey_values_are_averaged() -> None:
    grey = np.array([[0, 10, 255, 255], [20, 31, 255, 254]], np.uint8)
    np.testing.assert_array_equal(average_grey(grey, 2), [[15, 255]])
    np.testing.assert_array_equal(average_grey(grey, 1), grey)


def test_classes_are_not_averaged_and_holes_stay() -> None:
    image = np.ones((15, 4, 4), np.float32)
    image[1, :2, :2] = [[1, 2], [3, 5]]
    image[SCL_BAND, :2, :2] = [[6, 6], [6, 11]]
    image[SCL_BAND, :2, 2:] = 11
    image[SCL_BAND, 2:, :2] = 5
    image[:, 3, 3] = np.nan
    averaged = average_optical(image, 2)
    assert averaged.shape == (15, 2, 2)
    assert averaged.dtype == np.float32
    assert averaged[1, 0, 0] == 3
    np.testing.assert_array_equal(averaged[SCL_BAND, 0], [6, 11])
    assert averaged[SCL_BAND, 1, 0] == 5
    assert np.isnan(averaged[:, 1, 1]).all()
    assert np.isfinite(averaged[:, :, 0]).all()
