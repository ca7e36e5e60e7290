"""Every problem of one image is found and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pair_folder import PairFolder
from PIL import Image

from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import BANDS, find_pair_tree
from ssl4sar.dataset.pair_check import check_optical, check_sar


def sar_problems(pairs: PairFolder, path: Path) -> list[tuple[str, str]]:
    facts = check_sar(find_pair_tree(pairs.root), path)
    assert all(p.file == facts.file == f"{pairs.train}/{path.name}" for p in facts.problems)
    return [(p.severity, p.problem) for p in facts.problems]


def optical_problems(pairs: PairFolder, path: Path) -> list[str]:
    facts = check_optical(find_pair_tree(pairs.root), path)
    assert all(p.severity == "error" for p in facts.problems)
    return [p.problem for p in facts.problems]


def test_a_good_image_has_its_facts_and_no_problem(pairs: PairFolder) -> None:
    tree = find_pair_tree(pairs.root)
    path = tree.sar_images("train")[0]
    facts = check_sar(tree, path)
    assert facts.problems == ()
    assert facts.record is not None
    assert facts.record.sha256 == sha256_file(path)
    assert facts.record.bytes == path.stat().st_size
    path = tree.optical_images()[0]
    facts = check_optical(tree, path)
    assert facts.problems == ()
    assert facts.bands == 15
    assert facts.valid_fraction == pytest.approx(1 - 12 / 2000)
    assert facts.record is not None
    assert facts.record.sha256 == sha256_file(path)


def spoil(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(change(path.read_bytes())) and None


def flip(data: bytes) -> bytes:
    place = data.index(b"IDAT") + 20
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (
            lambda p: Image.new("RGB", (5, 4), (9, 9, 8)).save(p),
            "the image has mode RGB and colours, not 8-bit grey",
        ),
        (spoil(flip), "the PNG is damaged"),
        (lambda p: p.unlink(), "the file is missing"),
    ],
)
def test_a_bad_sar_image_is_an_error(
    pairs: PairFolder, harm: Callable[[Path], None], told: str
) -> None:
    path = pairs.sar("train", "S1_A_x.png")
    harm(path)
    ((severity, problem),) = sar_problems(pairs, path)
    assert severity == "error"
    assert told in problem
    assert str(pairs.root) not in problem


def test_a_blank_sar_image_is_a_warning(pairs: PairFolder) -> None:
    path = pairs.raster("S1_A_x.tif", np.full((1, 40, 50), 7, np.uint8), pairs.train)
    assert sar_problems(pairs, path) == [("warning", "all pixels have the same grey value 7")]


def without(*lacking: str) -> tuple[str, ...]:
    return tuple(band for band in BANDS if band not in lacking)


@pytest.mark.parametrize(
    ("names", "bands", "told"),
    [
        ((), 13, "the raster has 13 of 15 bands: WVP, SCL are missing, if the order is right"),
        ((), 1, "the raster has 1 of 15 bands: B2, B3, B4, "),
        (without("B9"), 14, "the raster has 14 of 15 bands: B9 is missing"),
        (without("AOT", "WVP"), 13, "the raster has 13 of 15 bands: AOT, WVP are missing"),
        (
            ("B01", "B02", "b03", *BANDS[3:8], "B8A", "B09", "B11", "B12", "AOT", "WVP"),
            14,
            "the raster has 14 of 15 bands: SCL is missing",
        ),
        (
            (*BANDS[:10], "B10", *BANDS[10:]),
            16,
            "the bands are in another order: band 11 is B10, not B11",
        ),
        (
            (*without("B8A"), "TCI_R"),
            15,
            "B8A is missing, band 9 is B9, not B8A",
        ),
        (
            ("B2", "B1", *BANDS[2:]),
            15,
            "the bands are in another order: band 1 is B2, not B1",
        ),
    ],
)
def test_missing_bands_are_named(
    pairs: PairFolder, names: tuple[str, ...], bands: int, told: str
) -> None:
    path = pairs.raster("A_x.tif", np.ones((bands, 8, 9), np.float32), names=names)
    (problem,) = optical_problems(pairs, path)
    assert problem.startswith(told)


@pytest.mark.parametrize(
    "names",
    [
        (),
        BANDS,
        (*BANDS, "TCI_R", "TCI_G", "TCI_B", "MSK_CLDPRB", "MSK_SNWPRB"),
        tuple(f"B0{n}" for n in range(1, 9)),
        tuple(f"layer {n}" for n in range(15)),
    ],
)
def test_bands_in_order_or_without_known_names_are_good(
    pairs: PairFolder, names: tuple[str, ...]
) -> None:
    bands = max(15, len(names))
    path = pairs.raster("A_x.tif", np.ones((bands, 8, 9), np.float32), names=names)
    assert optical_problems(pairs, path) == []


def test_no_data_is_an_error(pairs: PairFolder) -> None:
    nothing = pairs.raster("A_x.tif", np.full((15, 8, 9), np.nan, np.float32))
    assert optical_problems(pairs, nothing) == ["no pixel has data"]
    marked = pairs.raster("B_x.tif", np.full((15, 8, 9), -9999, np.int16), nodata=-9999)
    assert optical_problems(pairs, marked) == ["no pixel has data"]


def test_a_band_without_content_is_named(pairs: PairFolder) -> None:
    values = pairs.reflectance("A")
    values[3] = 0
    values[8] = np.nan
    values[13] = -1
    problems = optical_problems(pairs, pairs.raster("A_x.tif", values))
    assert problems == [
        "band 4 (B4): zero everywhere",
        "band 9 (B8A): no data",
        "band 14 (WVP): no value above 0",
    ]


def test_bands_that_nowhere_have_data_together_are_an_error(pairs: PairFolder) -> None:
    values = np.ones((15, 8, 9), np.float32)
    values[0, :4] = np.nan
    values[1, 4:] = np.nan
    path = pairs.raster("A_x.tif", values)
    assert optical_problems(pairs, path) == ["no pixel has data in all bands"]


def test_a_damaged_raster_is_an_error(pairs: PairFolder) -> None:
    path = pairs.raster("A_x.tif", pairs.reflectance("A"), compress="deflate")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    (problem,) = optical_problems(pairs, path)
    assert problem.startswith("the raster cannot be read (")
    path.write_bytes(b"")
    (problem,) = optical_problems(pairs, path)
    assert problem.startswith("the raster cannot be read (")
    path.unlink()
    assert optical_problems(pairs, path) == ["the file is missing"]
