"""Which images are used, by their names; glaciers of the test set are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.core.pair_layout import PairTree, find_pair_tree
from ssl4sar.dataset.pair_manifest import ExcludedGlacier
from ssl4sar.dataset.pair_selection import PairRules, Selection, select_pairs

FOLDERS = {
    "train": "unlabeled_data_raw_train",
    "val": "unlabeled_data_raw_val",
    "optical": "data_optical",
}


@pytest.fixture
def select(tmp_path: Path):
    def run(files: list[str], *, allow: bool = False, leave_out: tuple[str, ...] = ()) -> Selection:
        for folder in FOLDERS.values():
            (tmp_path / folder).mkdir(exist_ok=True)
        for file in files:
            folder, name = file.split("/")
            (tmp_path / FOLDERS[folder] / name).touch()
        tree: PairTree = find_pair_tree(tmp_path)
        return select_pairs(
            tree, PairRules("local", ("COL", "Columbia", "Mapple"), allow, leave_out)
        )

    return run


def problems(selection: Selection) -> list[tuple[str, str, str]]:
    return [(p.severity, p.file, p.problem) for p in selection.problems]


GOOD = [
    *("optical/A_S2.tif", "optical/B_S2.tif"),
    *("train/S1_B_1.png", "train/S1_A_1.png", "val/S1_A_2.png"),
]


def test_training_images_come_first_each_by_name(select) -> None:
    selection = select(GOOD)
    assert [(i.split, i.glacier, i.path.name) for i in selection.sar] == [
        ("train", "A", "S1_A_1.png"),
        ("train", "B", "S1_B_1.png"),
        ("val", "A", "S1_A_2.png"),
    ]
    assert {glacier: path.name for glacier, path in selection.optical.items()} == {
        "A": "A_S2.tif",
        "B": "B_S2.tif",
    }
    assert problems(selection) == []
    assert selection.excluded == ()


def test_glaciers_of_the_test_set_are_left_out_whatever_their_case(select) -> None:
    files = [
        *GOOD,
        *("optical/columbia_S2.tif", "train/S1_Columbia_1.png", "train/S1_COLUMBIA_2.png"),
        *("val/S1_Mapple_1.png", "train/S1_col_1.png", "train/S1_Colorado_1.png"),
    ]
    selection = select(files)
    assert {image.glacier for image in selection.sar} == {"A", "B"}
    assert [path.name for path in selection.excluded_paths] == [
        "columbia_S2.tif",
        "S1_COLUMBIA_2.png",
        "S1_Columbia_1.png",
        "S1_col_1.png",
        "S1_Mapple_1.png",
    ]
    assert selection.excluded == (
        ExcludedGlacier(glacier="COLUMBIA", train=1, val=0, optical=0),
        ExcludedGlacier(glacier="Columbia", train=1, val=0, optical=0),
        ExcludedGlacier(glacier="Mapple", train=0, val=1, optical=0),
        ExcludedGlacier(glacier="col", train=1, val=0, optical=0),
        ExcludedGlacier(glacier="columbia", train=0, val=0, optical=1),
    )
    # A name that only begins like a short one is another glacier's.
    assert [(s, f.split("/")[1]) for s, f, _ in problems(selection)] == [
        ("error", "S1_Colorado_1.png")
    ]


TRAIN, VAL, OPTICAL = FOLDERS["train"], FOLDERS["val"], FOLDERS["optical"]
NO_GLACIER = "the name has no glacier"


@pytest.mark.parametrize(
    ("files", "leave_out", "expected"),
    [
        ([*GOOD, "train/S1_Store_1.png"], (), [
            ("error", f"{TRAIN}/S1_Store_1.png",
             "there is no optical image of the glacier Store (there are: A, B)"),
        ]),
        ([*GOOD, "train/alone.png", "optical/_S2.tif"], (), [
            ("error", f"{OPTICAL}/_S2.tif", NO_GLACIER),
            ("error", f"{TRAIN}/alone.png", NO_GLACIER),
        ]),
        ([*GOOD, "optical/A_20200101.tif"], (), [
            ("warning", f"{OPTICAL}/A_S2.tif",
             "A has another optical image already: A_20200101.tif is used, the first by name"),
        ]),
        ([*GOOD, "optical/C_S2.tif"], (), [
            ("warning", f"{OPTICAL}/C_S2.tif",
             "there is no SAR image of the glacier C: not used"),
        ]),
        ([file for file in GOOD if "B" not in file], (), [
            ("warning", TRAIN,
             "all images are of one glacier, A: there is nothing to generalise over"),
        ]),
        (["optical/Columbia_S2.tif", "train/S1_Columbia_1.png", "val/S1_Columbia_2.png"], (), [
            ("error", TRAIN, "no training image is left without the glaciers of the test set "
             "(Columbia)"),
            ("error", VAL, "no validation image is left without the glaciers of the test set "
             "(Columbia)"),
        ]),
        ([file for file in GOOD if "train" not in file], (), [
            ("error", TRAIN, "there is no training image"),
            ("warning", TRAIN,
             "all images are of one glacier, A: there is nothing to generalise over"),
            ("warning", f"{OPTICAL}/B_S2.tif", "there is no SAR image of the glacier B: not used"),
        ]),
        ([file for file in GOOD if "val" not in file], (), [
            ("error", VAL, "there is no validation image"),
        ]),
        (GOOD, ("S1_A_2.png",), [
            ("error", VAL,
             "no validation image is left without those that ssl4sar.leave_out names"),
        ]),
        ([*GOOD, "val/S1_B_3.png"], ("S1_B_3.png", "S1_X_*", "typo.png"), [
            ("warning", "ssl4sar.leave_out", "no image of the dataset is called S1_X_*, typo.png"),
        ]),
    ],
)  # fmt: skip
def test_what_the_names_alone_say_is_wrong(
    select, files: list[str], leave_out: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    assert sorted(problems(select(files, leave_out=leave_out))) == sorted(expected)


def test_glaciers_of_the_benchmark_are_of_the_test_set_whatever_the_list() -> None:
    rules = PairRules("local", ("Crane",))
    assert all(map(rules.is_test, ("Columbia", "COL", "Mapple", "Crane", "WestCrane")))
    assert not rules.is_test("Jorum")


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ("S1_B_1.png", ["train/S1_B_1.png"]),
        ("unlabeled_data_raw_val/S1_A_2.png", ["val/S1_A_2.png"]),
        ("S1_[A]_?.png", ["train/S1_A_1.png", "val/S1_A_2.png"]),
        ("unlabeled_data_raw_train/*", ["train/S1_A_1.png", "train/S1_B_1.png"]),
        ("s1_b_1.png", []),
        ("S1_B", []),
    ],
)
def test_images_are_left_out_by_name_path_or_pattern(select, entry: str, gone: list[str]) -> None:
    selection = select(GOOD, leave_out=(entry,))
    places = [f"{FOLDERS[folder]}/{name}" for folder, name in (each.split("/") for each in gone)]
    assert [image.file for image in selection.left_out] == places
    assert {image.why for image in selection.left_out} == (
        {f"ssl4sar.leave_out: {entry}"} if gone else set()
    )
    assert len(selection.sar) == 3 - len(gone)
    # Those that the test set takes away are looked for under other names, these are not.
    assert selection.excluded_paths == ()


def test_images_of_the_test_set_go_with_their_glacier_whoever_names_them(select) -> None:
    files = [*GOOD, "optical/Columbia_S2.tif", "train/S1_Columbia_1.png"]
    selection = select(files, leave_out=("*Columbia*",))
    assert [path.name for path in selection.excluded_paths] == [
        "Columbia_S2.tif",
        "S1_Columbia_1.png",
    ]
    assert selection.left_out == ()
    assert problems(selection) == []
