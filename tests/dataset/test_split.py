from __future__ import annotations

import random
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.split import validation_names


def test_the_official_56_of_559_are_chosen(test_data: Path) -> None:
    train = (test_data / "splits/caffe_official_train_559.txt").read_text().split()
    expected = (test_data / "splits/caffe_official_val_56.txt").read_text().split()
    assert validation_names(train, 0.1, 1) == sorted(expected)


def test_the_permutation_is_the_published_one() -> None:
    # Leading indices of the published validation list, source: CaFFe (Gourmelon et al. 2022).
    names = [f"{index:03}" for index in range(559)]
    leading = {"440", "530", "346", "323", "474", "360", "029", "548", "245", "065"}
    assert leading <= set(validation_names(names, 0.1, 1))
    assert set(validation_names(names, 10 / 559, 1)) == leading


def test_the_order_of_the_list_does_not_matter() -> None:
    names = [f"scene {index:02}" for index in range(30)]
    shuffled = random.Random(0).sample(names, len(names))
    assert validation_names(shuffled, 0.2, 5) == validation_names(names, 0.2, 5)
    assert validation_names(names, 0.2, 6) != validation_names(names, 0.2, 5)


@pytest.mark.parametrize(("count", "expected"), [(10, 1), (11, 2), (2, 1), (100, 10)])
def test_the_count_is_rounded_up(count: int, expected: int) -> None:
    names = [f"{index:03}" for index in range(count)]
    assert len(validation_names(names, 0.1, 0)) == expected


def test_bad_requests_are_refused() -> None:
    with pytest.raises(UserError, match=r"caffe\.validation_fraction.*leaves none"):
        validation_names(["a"], 0.1, 1)
    with pytest.raises(UserError, match="leaves none"):
        validation_names([], 0.1, 1)
    with pytest.raises(ValueError, match="fraction"):
        validation_names(["a", "b"], 1.0, 1)
    with pytest.raises(ValueError, match="twice"):
        validation_names(["a", "a", "b"], 0.1, 1)
