from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.gray_png import png_damage, read_gray, write_gray
from ssl4sar.dataset.scene_check import SceneFacts, check_scene

NAME = "COL_2012-03-04_TDX_7_1_024"


def check(tree: CaffeTree) -> SceneFacts:
    return check_scene(tree, ("test", NAME))


def sar(tree: CaffeTree) -> Path:
    return tree.sar("test", NAME)


def zones(tree: CaffeTree) -> Path:
    return tree.zones("test", NAME)


def front(tree: CaffeTree) -> Path:
    return tree.front("test", NAME)


def box(tree: CaffeTree) -> Path:
    return tree.box(NAME)


def test_a_good_scene_has_facts_and_no_problem(own_tree: CaffeTree) -> None:
    facts = check(own_tree)
    assert facts.problems == ()
    assert facts.size_px == (63, 78)
    paths = [sar(own_tree), zones(own_tree), front(own_tree), box(own_tree)]
    assert sorted(facts.files) == sorted(p.relative_to(own_tree.root).as_posix() for p in paths)
    for path in paths:
        record = facts.files[path.relative_to(own_tree.root).as_posix()]
        assert record.bytes == path.stat().st_size
        assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("part", [sar, zones, front])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-12]), "truncated"),
        (lambda path: flip_a_pixel_bit(path), "damaged"),
        (lambda path: Image.open(path).convert("RGB").save(path), "mode RGB"),
    ],
)
def test_an_unusable_image_is_named(
    own_tree: CaffeTree,
    part: Callable[[CaffeTree], Path],
    spoil: Callable[[Path], None],
    told: str,
) -> None:
    path = part(own_tree)
    spoil(path)
    (problem,) = check(own_tree).problems
    assert problem.severity == "error"
    assert problem.file == path.relative_to(own_tree.root).as_posix()
    assert told in problem.problem
    assert problem.fix


def flip_a_pixel_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 40] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("part", [zones, front])
def test_a_mask_of_another_size_is_named(
    own_tree: CaffeTree, part: Callable[[CaffeTree], Path]
) -> None:
    write_gray(part(own_tree), read_gray(part(own_tree))[:, :-1])
    (problem,) = check(own_tree).problems
    assert "63x77 px, its image 63x78 px" in problem.problem


def test_unknown_greys_are_counted(own_tree: CaffeTree) -> None:
    mask = read_gray(zones(own_tree))
    mask[:2, :3] = [[1, 2, 3], [4, 5, 6]]
    write_gray(zones(own_tree), mask)
    (problem,) = check(own_tree).problems
    assert "unknown grey values 1, 2, 3, 4, 5, ... in 6 pixels" in problem.problem
    assert "0, 63, 64, 127, 254" in problem.fix


def test_63_is_rock(own_tree: CaffeTree) -> None:
    mask = read_gray(zones(own_tree))
    mask[mask == 64] = 63
    write_gray(zones(own_tree), mask)
    assert check(own_tree).problems == ()


def test_a_grey_front_is_an_error_and_an_empty_one_a_warning(own_tree: CaffeTree) -> None:
    mask = read_gray(front(own_tree))
    write_gray(front(own_tree), mask // 255)
    (problem,) = check(own_tree).problems
    assert problem.severity == "error"
    assert "unknown grey values 1 in" in problem.problem
    write_gray(front(own_tree), np.zeros_like(mask))
    (problem,) = check(own_tree).problems
    assert problem.severity == "warning"
    assert "the front is empty" in problem.problem


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "missing"),
        ("x,y\n1,2\n", "header and four corners"),
        ("x,y\n1,-1\n1,-9\n5,-9\n5,-1\n", "outside the 63x78 px image"),
    ],
)
def test_a_bad_box_is_named(own_tree: CaffeTree, content: str | None, told: str) -> None:
    if content is None:
        box(own_tree).unlink()
    else:
        box(own_tree).write_text(content)
    (problem,) = check(own_tree).problems
    assert (problem.severity, problem.file) == (
        "error",
        f"bounding_boxes/{NAME}_front_extent_coord.txt",
    )
    assert told in problem.problem


def test_a_box_beyond_the_border_is_a_warning(own_tree: CaffeTree) -> None:
    BoundingBox(-3.5, 80.0, 1.0, 50.0).write(box(own_tree))
    (problem,) = check(own_tree).problems
    assert problem.severity == "warning"
    BoundingBox(0.0, 78.0, 0.0, 63.0).write(box(own_tree))
    assert check(own_tree).problems == ()


def test_a_malformed_name_is_a_problem_of_the_image(own_tree: CaffeTree) -> None:
    facts = check_scene(own_tree, ("test", "COL_2012-13-04_TDX_7_1_024"))
    assert facts.problems[0].file == "sar_images/test/COL_2012-13-04_TDX_7_1_024.png"
    assert "not a date" in facts.problems[0].problem
    assert facts.size_px is None


def test_every_flipped_bit_of_a_png_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_gray(path, np.arange(64, dtype=np.uint8).reshape(8, 8))
    data = path.read_bytes()
    assert png_damage(data) is None
    end = len(data) - 12  # the chunk that ends the file holds nothing
    for place in range(end):
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << place % 8
        assert png_damage(bytes(spoilt)) is not None, place
    for length in range(end):
        assert png_damage(data[:length]) is not None


def test_bytes_behind_the_end_of_a_png_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_gray(path, np.zeros((4, 4), np.uint8))
    assert png_damage(path.read_bytes() + b"\0" * 7) is None
