from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.errors import UserError


def test_official_example(tmp_path: Path) -> None:
    path = tmp_path / "box.txt"
    path.write_text(
        "x,y\n270.743801579289,1959.30115735809\n270.743801579289,909.268400764701\n"
        "2634.34895854926,909.268400764701\n2634.34895854926,1959.30115735809\n"
    )
    box = BoundingBox.read(path)
    assert box.window(2107, 4476, path) == (slice(909, 1959), slice(271, 2634))
    box.write(tmp_path / "again.txt")
    assert BoundingBox.read(tmp_path / "again.txt") == box


@given(
    st.tuples(st.floats(-50, 150), st.floats(-50, 150)).filter(lambda t: t[0] < t[1]),
    st.tuples(st.floats(-50, 150), st.floats(-50, 150)).filter(lambda t: t[0] < t[1]),
)
def test_a_window_is_in_the_image_or_is_reported(
    columns: tuple[float, float], rows: tuple[float, float]
) -> None:
    box = BoundingBox(*columns, *rows)
    try:
        row_slice, column_slice = box.window(100, 90, "b")
    except UserError as error:
        assert "outside" in str(error)
        return
    assert 0 <= row_slice.start <= row_slice.stop <= 100
    assert 0 <= column_slice.start <= column_slice.stop <= 90


def test_clamps_follow_the_benchmark() -> None:
    rows, columns = BoundingBox(-3.2, 120, -0.4, 80.2).window(80, 100, "b")
    # Beyond the width becomes W-1; an edge that rounds to the height stays.
    assert (rows, columns) == (slice(0, 80), slice(0, 99))
    assert BoundingBox(0.5, 2.5, 1.5, 3.5).window(9, 9, "b") == (slice(2, 4), slice(0, 2))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "header and four corners"),
        ("x,y\n1,2\n1,1\n2,1\n", "header and four corners"),
        ("a,b\n1,2\n1,1\n2,1\n2,2\n", "header and four corners"),
        ("x,y\n1,2\n1,one\n2,1\n2,2\n", "not a pair of numbers"),
        ("x,y\n1,nan\n1,1\n2,1\n2,nan\n", "finite"),
        ("x,y\n1,2\n3,1\n2,1\n2,2\n", "axis-parallel"),
        ("x,y\n1,1\n1,2\n2,2\n2,1\n", "swapped"),
    ],
)
def test_malformed_boxes_are_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "box.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        BoundingBox.read(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("off_px", [1e-9, 0.01, -0.01])
@pytest.mark.parametrize("line", [1, 2, 3, 4])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_last_digit_does_not_spoil_a_box(off_px: float, line: int, axis: int) -> None:
    corners = [[270.7, 1959.3], [270.7, 909.3], [2634.3, 909.3], [2634.3, 1959.3]]
    corners[line - 1][axis] += off_px
    text = "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in corners)
    box = BoundingBox.parse(text.encode(), "b")
    assert box.window(2107, 4476, "b") == (slice(909, 1959), slice(271, 2634))


def test_missing_box_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        BoundingBox.read(tmp_path / "no.txt")


def test_a_box_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "box.txt"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)
    with pytest.raises(UserError, match=r"longer than 0\.1 MB"):
        BoundingBox.read(path)
