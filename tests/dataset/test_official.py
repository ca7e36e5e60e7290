from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.official import (
    NATIVE_SIZES_PX,
    TEST_COUNT,
    TRAIN_COUNT,
    is_official_test,
    is_official_train,
    official_differences,
)
from ssl4sar.dataset.split import validation_names


@pytest.fixture(scope="module")
def official_test(test_data: Path) -> list[str]:
    return (test_data / "splits/caffe_official_test_122.txt").read_text().split()


@pytest.fixture(scope="module")
def official_train(test_data: Path) -> list[str]:
    return (test_data / "splits/caffe_official_train_559.txt").read_text().split()


def sizes_of(names: list[str]) -> dict[str, tuple[int, int]]:
    parts = {name: name.split("_") for name in names}
    return {n: NATIVE_SIZES_PX.get((p[0], int(p[3])), (476, 449)) for n, p in parts.items()}


def test_the_official_lists_are_recognised(
    official_test: list[str], official_train: list[str]
) -> None:
    assert (len(official_train), len(official_test)) == (TRAIN_COUNT, TEST_COUNT)
    assert is_official_train(reversed(official_train))
    assert is_official_test(reversed(official_test), sizes_of(official_test))


def test_anything_else_is_not_official(official_test: list[str], official_train: list[str]) -> None:
    sizes = sizes_of(official_test)
    assert not is_official_train(official_train[1:])
    assert not is_official_test(official_test[1:], sizes)
    assert not is_official_test([*official_test, official_train[0]], sizes)
    assert not is_official_test(official_test, {**sizes, official_test[5]: (2107, 4475)})
    assert not is_official_test(official_test, dict(list(sizes.items())[1:]))
    assert not is_official_test([], {})


def test_the_unpublished_grid_takes_any_size(official_test: list[str]) -> None:
    palsar = {name: (470, 440) for name in official_test if "_PALSAR_17_" in name}
    assert len(palsar) == 8
    assert is_official_test(official_test, {**sizes_of(official_test), **palsar})


def test_differences_name_split_and_counts(
    official_test: list[str], official_train: list[str]
) -> None:
    sizes = sizes_of(official_test)
    scenes = {"train": official_train, "test": official_test}
    assert official_differences(scenes, sizes) == {}
    fewer = official_differences({**scenes, "train": official_train[3:]}, sizes)
    assert fewer == {"train": "559 scenes are expected, 556 found"}
    other = official_differences({**scenes, "train": [*official_train[1:], "x"]}, sizes)
    assert other == {"train": "559 scenes are expected, 559 found, some with other names"}
    coarse = official_differences(scenes, {**sizes, official_test[5]: (10, 10)})
    assert list(coarse) == ["test"]
    assert "10x10 px" in coarse["test"]
    assert official_test[5] in coarse["test"]
    assert set(official_differences({"train": [], "test": []}, {})) == {"train", "test"}


def test_the_official_56_of_559_are_chosen(test_data: Path, official_train: list[str]) -> None:
    expected = (test_data / "splits/caffe_official_val_56.txt").read_text().split()
    assert validation_names(official_train, 0.1, 1) == sorted(expected)


def test_the_permutation_is_the_published_one() -> None:
    # Leading indices of the published validation list, source: CaFFe (Gourmelon et al. 2022).
    names = [f"{index:03}" for index in range(559)]
    leading = {"440", "530", "346", "323", "474", "360", "029", "548", "245", "065"}
    assert leading <= set(validation_names(names, 0.1, 1))
    assert set(validation_names(names, 10 / 559, 1)) == leading


@pytest.mark.parametrize(("count", "expected"), [(10, 1), (11, 2), (2, 1), (100, 10)])
def test_the_count_is_rounded_up(count: int, expected: int) -> None:
    names = [f"{index:03}" for index in range(count)]
    assert len(validation_names(names, 0.1, 0)) == expected


def test_bad_requests_are_refused() -> None:
    with pytest.raises(UserError, match=r"caffe\.validation_fraction.*leaves none"):
        validation_names(["a"], 0.1, 1)
    with pytest.raises(UserError, match="leaves none"):
        validation_names([], 0.1, 1)
