"""One listing of named files for all datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.named_files import (
    is_visible,
    list_named,
    named_file,
    some_names,
    visible_entries,
)

LEFT_BEHIND = ("._a.png", ".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini", "__MACOSX")


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_systems_leave_behind_is_ignored(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name, "a.png")
    assert not is_visible(name)
    assert [path.name for path in visible_entries(tmp_path)] == ["a.png"]
    assert list_named(tmp_path, ".png").others == ()


def test_endings_count_in_any_case_and_names_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path, "B_zones.PNG", "a_ZONES.png", "c_zones.tif", "_zones.png", "d.png")
    (tmp_path / "e_zones.png").mkdir()
    listed = list_named(tmp_path, "_zones.png")
    assert {name: path.name for name, path in listed.files.items()} == {
        "B": "B_zones.PNG",
        "a": "a_ZONES.png",
    }
    assert [path.name for path in listed.others] == [
        "_zones.png",
        "c_zones.tif",
        "d.png",
        "e_zones.png",
    ]
    assert some_names(listed.others) == "_zones.png, c_zones.tif, d.png, ..."
    assert some_names(listed.others[3:]) == "e_zones.png/"


def test_two_files_of_a_name_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a_front.png", "a_front.PNG", "b_front.png")
    with pytest.raises(UserError, match=r"a_front\.png: a_front\.PNG has the same name"):
        list_named(tmp_path, "_front.png").refuse_repeated()
    list_named(tmp_path / "nowhere", "_front.png").refuse_repeated()


def test_of_several_endings_the_first_counts(tmp_path: Path) -> None:
    fill(tmp_path, "a_zones.png", "a.png", "b_Zones.png")
    listed = list_named(tmp_path, "_zones.png", ".png")
    assert list(listed.files) == ["a", "b"]
    assert [path.name for path in listed.repeated["a"]] == ["a.png", "a_zones.png"]


def test_a_file_is_found_in_another_case(tmp_path: Path) -> None:
    fill(tmp_path, "a_zones.PNG", "A_zones.png")
    assert named_file(tmp_path, "a", "_zones.png").name == "a_zones.PNG"
    assert named_file(tmp_path, "A", "_zones.png").name == "A_zones.png"
    assert named_file(tmp_path, "b", "_zones.png") == tmp_path / "b_zones.png"
    assert named_file(tmp_path / "new", "b", ".png") == tmp_path / "new" / "b.png"
