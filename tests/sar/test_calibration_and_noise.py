"""Tables of calibration and noise: invented ones by their rules, real ones by their figures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from radiometry_samples import Sample, samples

from ssl4sar.core.errors import UserError
from ssl4sar.sar.calibration import read_calibration
from ssl4sar.sar.lookup import LookupTable, Vector, make_table
from ssl4sar.sar.noise import read_noise

START = np.datetime64("2020-01-01T00:00:00.000000000")


def listed(name: str, numbers: Any) -> str:
    return f"<{name}>{' '.join(map(str, numbers))}</{name}>"


def calibration_xml(pixels: str = "0 40 60", sigma: str = "600 610 620", second: int = 1) -> bytes:
    vectors = [
        f"<calibrationVector><azimuthTime>2020-01-01T00:00:0{place}.000000</azimuthTime>"
        f"<pixel>{pixels}</pixel><sigmaNought>{sigma}</sigmaNought>"
        f"<betaNought>474 474 474</betaNought><gamma>500 510 520</gamma></calibrationVector>"
        for place in (0, second)
    ]
    return f"<calibration>{''.join(vectors)}</calibration>".encode()


def range_vector(line: int, pixels: Any, values: Any, kind: str = "Range") -> str:
    lut = "noiseLut" if not kind else f"noise{kind}Lut"
    return (
        f"<noise{kind}Vector><line>{line}</line>{listed('pixel', pixels)}{listed(lut, values)}"
        f"</noise{kind}Vector>"
    )


def azimuth_vector(swath: str, rows: Any, columns: Any, lines: Any, factors: Any) -> str:
    return (
        f"<noiseAzimuthVector><swath>{swath}</swath><firstAzimuthLine>{rows[0]}</firstAzimuthLine>"
        f"<firstRangeSample>{columns[0]}</firstRangeSample><lastAzimuthLine>{rows[1]}"
        f"</lastAzimuthLine><lastRangeSample>{columns[1]}</lastRangeSample>"
        f"{listed('line', lines)}{listed('noiseAzimuthLut', factors)}</noiseAzimuthVector>"
    )


def noise_xml(*vectors: str, blocks: tuple[str, ...] = ()) -> bytes:
    azimuth = f"<noiseAzimuthVectorList>{''.join(blocks)}</noiseAzimuthVectorList>"
    return f"<noise>{''.join(vectors)}{azimuth}</noise>".encode()


@st.composite
def tables(draw: st.DrawFn) -> LookupTable:
    def places(least: int) -> list[int]:
        return sorted(draw(st.sets(st.integers(0, 60), min_size=least, max_size=6)))

    vectors = []
    for line in places(1):
        pixels = places(1)
        values = draw(
            st.lists(st.floats(0, 5000, width=32), min_size=len(pixels), max_size=len(pixels))
        )
        vectors.append(Vector(line, np.array(pixels, float), np.array(values)))
    return make_table(vectors)


@given(table=tables(), top=st.integers(0, 40), left=st.integers(0, 40))
def test_a_table_is_exact_at_nodes_between_its_neighbours_and_continued(
    table: LookupTable, top: int, left: int
) -> None:
    whole = table.at(slice(0, 80), slice(0, 80))
    for vector in table.vectors:
        nodes = vector.pixels.astype(int)
        np.testing.assert_array_equal(whole[int(vector.line), nodes], np.float32(vector.values))
        along = whole[int(vector.line)]
        np.testing.assert_array_equal(along[: nodes[0]], along[nodes[0]])
        np.testing.assert_array_equal(along[nodes[-1] :], along[nodes[-1]])
    first, last = int(table.vectors[0].line), int(table.vectors[-1].line)
    np.testing.assert_array_equal(whole[:first], np.broadcast_to(whole[first], (first, 80)))
    np.testing.assert_array_equal(whole[last:], np.broadcast_to(whole[last], (80 - last, 80)))
    for one, other in zip(table.vectors, table.vectors[1:], strict=False):
        part = whole[int(one.line) : int(other.line) + 1]
        steps = np.diff(part.astype(float), axis=0) * np.sign(part[-1].astype(float) - part[0])
        assert steps.min() >= -1e-3  # monotone, but for rounding
    window = slice(top, top + 30), slice(left, left + 30)
    np.testing.assert_array_equal(table.at(*window), whole[window])


def test_calibration_is_placed_by_time_and_has_each_quantity() -> None:
    calibration = read_calibration(calibration_xml(), "c.xml", START, 0.1)
    np.testing.assert_allclose(
        calibration.gain("sigma0", slice(5, 6), slice(20, 61, 1))[0, [0, 20, 40]], [605, 610, 620]
    )
    assert (calibration.gain("beta0", slice(0, 20), slice(0, 99)) == 474).all()
    assert calibration.gain("gamma0", slice(0, 1), slice(0, 1)) == 500
    assert calibration.gain("gamma0", slice(0, 1), slice(0, 1)).dtype == np.float32


def test_noise_of_old_processors_has_a_pixel_axis_per_vector() -> None:
    noise = read_noise(
        noise_xml(range_vector(0, [0, 10], [0, 10], ""), range_vector(10, [0, 5, 10], [4] * 3, "")),
        "n.xml",
    )
    power = noise.power(slice(0, 14), slice(0, 13))
    np.testing.assert_allclose(power[0], [*range(11), 10, 10])
    np.testing.assert_allclose(power[5, [0, 4, 10]], [2, 4, 7])
    np.testing.assert_array_equal(power[10:], 4)  # the last lines have no vector
    assert not noise.is_zero


def test_zero_noise_is_recognised() -> None:
    noise = read_noise(noise_xml(range_vector(0, [0, 10], [0, 0], "")), "n.xml")
    assert noise.is_zero
    assert not noise.power(slice(0, 3), slice(0, 3)).any()


def test_noise_of_new_processors_is_range_times_azimuth_per_swath() -> None:
    noise = read_noise(
        noise_xml(
            range_vector(0, [0, 4, 5, 9], [10, 10, 20, 20]),
            range_vector(8, [0, 4, 5, 9], [10, 10, 20, 20]),
            blocks=(
                azimuth_vector("IW1", (0, 8), (0, 4), [0, 8], [1, 2]),
                azimuth_vector("IW2", (0, 8), (5, 9), [0], [3]),
            ),
        ),
        "n.xml",
    )
    power = noise.power(slice(0, 12), slice(0, 10))
    np.testing.assert_allclose(power[4], [15] * 5 + [60] * 5)
    np.testing.assert_allclose(power[8:], [[20] * 5 + [60] * 5] * 4)  # blocks end before the image
    part = noise.power(slice(3, 7), slice(4, 6))
    np.testing.assert_array_equal(part, power[3:7, 4:6])


def test_noise_of_a_swath_is_not_mixed_with_lines_that_it_does_not_reach() -> None:
    # As at the end of a data take: IW2 begins at line 3, before the vector of line 5, and its
    # border to IW1 moves from pixel 5 to pixel 3 after the end of IW1.
    noise = read_noise(
        noise_xml(
            range_vector(0, [0, 4, 5, 9], [10, 10, 0, 0]),
            range_vector(5, [0, 4, 5, 9], [10, 10, 20, 20]),
            range_vector(9, [0, 2, 3, 9], [0, 0, 20, 20]),
            blocks=(
                azimuth_vector("IW1", (0, 6), (0, 4), [0], [1]),
                azimuth_vector("IW2", (3, 6), (5, 9), [0], [1]),
                azimuth_vector("IW2", (7, 9), (3, 9), [0], [1]),
            ),
        ),
        "n.xml",
    )
    power = noise.power(slice(0, 10), slice(0, 10))
    np.testing.assert_array_equal(power[3:7], [[10] * 5 + [20] * 5] * 4)
    np.testing.assert_array_equal(power[7:, 3:], 20)


def test_modes_without_bursts_have_no_azimuth_factor() -> None:
    noise = read_noise(noise_xml(range_vector(0, [0, 9], [7, 7])), "n.xml")
    assert (noise.power(slice(0, 3), slice(0, 4)) == 7).all()


TIME = b"<azimuthTime>2020-01-01T00:00:00.000000</azimuthTime>"
ENTITY = b'<!DOCTYPE a [<!ENTITY e "1">]><calibration>&e;</calibration>'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<calibration/>", "there are no vectors"),
        (b"<calib", "not XML"),
        (ENTITY, "document type"),
        (calibration_xml(sigma="600 610"), "1: sigmaNought has 2 numbers, pixel has 3"),
        (calibration_xml(sigma="600 nan 610"), "1: sigmaNought lists a number that is not finite"),
        (calibration_xml(sigma="600 0 610"), "1: sigmaNought lists a number that is not positive"),
        (calibration_xml(sigma="600 x 610"), "1: sigmaNought lists what is not a number"),
        (calibration_xml(sigma=""), "1: sigmaNought is missing or empty"),
        (calibration_xml(pixels="0 60 40"), "pixel are not in ascending order"),
        (calibration_xml().replace(b"00:00:01", b"99:00"), "2: azimuthTime is not a time"),
        (calibration_xml().replace(TIME, b""), "1: azimuthTime is missing"),
        (calibration_xml().replace(b"0:00:00.", b"0:00:09."), "not in the order of their lines"),
    ],
)
def test_damaged_calibration_is_one_line(content: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read_calibration(content, "calibration-x.xml", START, 0.1)
    assert str(caught.value).startswith("calibration-x.xml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<noise/>", "there are no vectors"),
        (ENTITY, "document type"),
        (noise_xml(range_vector(0, [0, 9], [1])), "noiseRangeVector 1: noiseRangeLut has 1 number"),
        (noise_xml(range_vector(0, [0], ["inf"])), "noiseRangeLut lists a number that is not fin"),
        (noise_xml(range_vector(0, [0], [-1], "")), "noiseVector 1: noiseLut .* negative"),
        (noise_xml(range_vector(0, [0], [1])).replace(b"<line>0</line>", b""), "1: line is miss"),
        (
            noise_xml(range_vector(0, [0], [1])).replace(b"AzimuthVectorList", b"Nothing"),
            "noiseAzimuthVectorList is missing",
        ),
        (
            noise_xml(
                range_vector(0, [0], [1]),
                blocks=(azimuth_vector("IW1", (0, 9), (0, 9), [0, 9], [1]),),
            ),
            "noiseAzimuthVector 1: noiseAzimuthLut has 1 numbers, line has 2",
        ),
        (
            noise_xml(
                range_vector(0, [0], [1]),
                blocks=(azimuth_vector("IW1", (0, 9), ("", 9), [0, 9], [1, 1]),),
            ),
            "noiseAzimuthVector 1: firstRangeSample is missing",
        ),
    ],
)
def test_damaged_noise_is_one_line(content: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read_noise(content, "noise-x.xml")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def real(test_data: Path) -> list[Sample]:
    found = samples(test_data)
    assert len(found) == 9
    return found


def test_noise_of_the_real_products_is_that_of_sentinel_1(real: list[Sample]) -> None:
    """A5 of the specification: -32 to -22 dB in the middle of each swath."""
    for sample in real:
        lines, pixels = sample.shape
        noise = read_noise(sample.noise_xml, sample.name)
        assert noise.is_zero == sample.name.startswith("FEC3"), sample.name
        middle = slice(lines // 2, lines // 2 + 1)
        gain = sample.calibration().gain("sigma0", middle, slice(0, pixels))
        power = noise.power(middle, slice(0, pixels))
        if noise.is_zero:
            assert not power.any()
            continue
        nesz_db = 10 * np.log10((power / gain**2)[0, [pixels // 6, pixels // 2, 5 * pixels // 6]])
        print(sample.name, "NESZ in the middle of IW1, IW2, IW3:", np.round(nesz_db, 2), "dB")
        assert (nesz_db > -32).all(), sample.name
        assert (nesz_db < -22).all(), sample.name
        # The image continues behind the last vector, and so does its noise.
        last = noise.power(slice(lines - 1, lines), slice(0, pixels))
        assert (last[0, pixels // 3 : -200] > 0).all() or sample.name.startswith("1C0B")


@pytest.mark.slow
def test_a_window_of_nine_megapixels_takes_less_than_half_a_second(real: list[Sample]) -> None:
    for sample in real:
        noise, calibration = read_noise(sample.noise_xml, sample.name), sample.calibration()
        window = slice(6000, 9000), slice(8000, 11000)
        seconds = []
        for _ in range(3):
            begin = time.process_time()
            calibration.gain("sigma0", *window)
            noise.power(*window)
            seconds.append(time.process_time() - begin)
        print(sample.name, f"{min(seconds):.3f} s")
        assert min(seconds) < 0.5
