"""Names and folders of the pretraining dataset."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import (
    BANDS,
    CHANNELS,
    RASTER_BANDS,
    all_names,
    find_pair_tree,
    is_named_after,
    name_date,
    optical_glacier,
    sar_glacier,
)

TRAIN, VAL, OPTICAL = "unlabeled_data_raw_train", "unlabeled_data_raw_val", "data_optical"


def test_channels_are_the_published_bands_without_aerosol() -> None:
    assert len(CHANNELS) == 14
    assert BANDS[12:] == ("AOT", "WVP", "SCL")
    assert tuple(BANDS[band - 1] for band in RASTER_BANDS) == CHANNELS


@pytest.mark.parametrize(
    ("name", "glacier"),
    [
        ("S1_Synthetic01_20200703_014.png", "Synthetic01"),
        ("S1A_Jakobshavn.png", "Jakobshavn"),
        ("alone.png", None),
        ("S1__20200703.png", None),
    ],
)
def test_the_second_token_of_a_sar_image_is_its_glacier(name: str, glacier: str | None) -> None:
    assert sar_glacier(name) == glacier


@pytest.mark.parametrize(
    ("name", "glacier"),
    [("Columbia_20200703_S2.tif", "Columbia"), ("Store.tif", "Store"), ("_S2.tif", None)],
)
def test_the_first_token_of_an_optical_image_is_its_glacier(name: str, glacier: str | None) -> None:
    assert optical_glacier(name) == glacier


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S1_Store_20200229_014.png", datetime.date(2020, 2, 29)),
        ("S1_Store_2020-07-03_014.png", datetime.date(2020, 7, 3)),
        ("S1_Store_20210229_20210301.png", datetime.date(2021, 3, 1)),
        ("S1_Store_12345678.png", None),
        ("S1_Store_20200703T081500.png", None),
        ("S1_Store_2020-0703.png", None),
        ("S1_Store_٢٠٢٠٠٧٠٣.png", None),
        ("20200703_Store.tif", datetime.date(2020, 7, 3)),
        ("Store.20200703", None),
    ],
)
def test_a_date_is_a_token_of_the_name(name: str, expected: datetime.date | None) -> None:
    assert name_date(name) == expected


@pytest.mark.parametrize(
    ("train", "val", "optical"),
    [
        (TRAIN, VAL, OPTICAL),
        (f"data_unlabeled/{TRAIN}", f"data_unlabeled/{VAL}", f"{OPTICAL}/{OPTICAL}"),
        (f"{TRAIN}/{TRAIN}", f"data_unlabeled/{VAL}", OPTICAL),
    ],
)
def test_the_folders_are_found_flat_and_nested(
    tmp_path: Path, train: str, val: str, optical: str
) -> None:
    for folder in (train, val, optical):
        (tmp_path / folder).mkdir(parents=True)
    tree = find_pair_tree(tmp_path)
    assert tree.sar == {"train": tmp_path / train, "val": tmp_path / val}
    assert tree.optical == tmp_path / optical
    assert tree.name(tree.optical / "x.tif") == f"{optical}/x.tif"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: the folder does not exist"):
        find_pair_tree(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"the folders are missing: {TRAIN}, {VAL}, {OPTICAL}"):
        find_pair_tree(tmp_path)
    (tmp_path / TRAIN).mkdir()
    (tmp_path / OPTICAL).mkdir()
    with pytest.raises(
        UserError, match=f"the folder is missing: {VAL}; give the folder that holds"
    ):
        find_pair_tree(tmp_path)


def test_two_folders_of_a_name_are_reported(tmp_path: Path) -> None:
    for folder in (TRAIN, f"data_unlabeled/{TRAIN}", VAL, OPTICAL):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UserError, match=f"twice \\({TRAIN} and data_unlabeled/{TRAIN}\\)"):
        find_pair_tree(tmp_path)


@pytest.mark.parametrize(
    "glacier",
    [
        "Columbia",
        "COLUMBIA",
        "col",
        "ColumbiaGlacier",
        "Columbia Glacier",
        "columbia-west",
        "columbiaglacier",
        "glaciercolumbia",
        "WestColumbia",
        "COL-2",
        "COLGlacier",
    ],
)
def test_a_glacier_is_named_after_another_in_many_ways(glacier: str) -> None:
    assert is_named_after(glacier, ["COL", "Columbia", "Mapple"])


@pytest.mark.parametrize("glacier", ["Coleman", "Colorado", "Apple", "Jorum", "Synthetic01", "Map"])
def test_other_glaciers_are_not(glacier: str) -> None:
    assert not is_named_after(glacier, ["COL", "Columbia", "Mapple"])


def test_a_glacier_of_the_benchmark_has_several_names() -> None:
    assert all_names(["JAC", "Crane"]) == ("JAC", "Jakobshavn", "Crane")
    assert is_named_after("JakobshavnIsbrae", all_names(["JAC"]))
