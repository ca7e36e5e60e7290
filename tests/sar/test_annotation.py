"""Annotations: those of real products, and broken ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_grd import INTERVAL_S, LINES, PIXELS, START, annotation_xml, circle

from ssl4sar.core.errors import UserError
from ssl4sar.geometry.range_doppler import RadarCoordinates
from ssl4sar.sar.annotation import Annotation, read_annotation
from ssl4sar.sar.product import open_product

XML = annotation_xml()
LEAVES = sorted(set(re.findall(r"<(\w+)(?: [^>]*)?>[^<]+</\1>", XML)))
#: Elements that may be missing: older processors do not write all of them.
OPTIONAL = {"orbitSource", "frame"}


def read(xml: str) -> Annotation:
    return read_annotation(xml.encode(), "scene/annotation.xml")


def test_values_are_those_of_the_file() -> None:
    found = read(XML)
    assert (found.platform, found.polarisation, found.swath) == ("S1C", "HH", "EW")
    assert found.first_line_time == np.datetime64(START, "ns")
    assert (found.lines, found.pixels) == (LINES, PIXELS)
    assert found.duration_s == pytest.approx((LINES - 1) * INTERVAL_S)
    assert (found.orbit_source, found.orbit.vectors) == ("annotation (Auxiliary)", 13)
    place, velocity = circle(np.array([0.0, 2.0]))
    np.testing.assert_allclose(found.orbit.position([0.0, 2.0]), place, atol=0.01)
    np.testing.assert_allclose(found.orbit.velocity([0.0, 2.0]), velocity, atol=1e-4)
    assert found.tie_points.line.shape == (3, 3)
    assert found.ground_range.coefficients.shape == (3, 3)
    assert found.ground_range.slant_coefficients is not None
    assert found.ground_range.slant_coefficients.shape == (3, 2)


def test_a_point_that_the_radar_does_not_see_has_no_place() -> None:
    radar = RadarCoordinates(np.array([np.nan, 1.2]), np.array([8.6e5, 8.6e5]))
    line, pixel = read(XML).image_position(radar)
    np.testing.assert_allclose(line, [np.nan, 200.0])
    np.testing.assert_allclose(pixel, [np.nan, 400.0])


@pytest.mark.parametrize("ending", ["6D00.zip", "FEC3.zip", "8255.zip", "1C0B.zip", "5371.SAFE"])
def test_a_point_far_beside_the_image_is_not_in_it(test_data: Path, ending: str) -> None:
    (path,) = (test_data / "sentinel1" / "grdh").glob(f"*_{ending}")
    found = open_product(path).annotation("VV")
    near_m, far_m = found.tie_points.slant_range_m.min(), found.tie_points.slant_range_m.max()
    for beside_m in (np.linspace(60.0, 8e5, 9999) + far_m, near_m - np.linspace(60.0, 8e5, 9999)):
        radar = RadarCoordinates(np.zeros_like(beside_m), beside_m)
        _, pixel = found.image_position(radar)
        assert not ((pixel > 0) & (pixel < found.pixels - 1)).any()
        # Those just outside have a place, by which an image is cut out.
        assert np.isfinite(pixel[:500]).all()


def test_another_orbit_takes_the_place_of_the_first() -> None:
    one, other = read(XML), read(XML.replace("Auxiliary", "Downlink"))
    assert one.with_orbit(other.orbit, "a file").orbit is other.orbit
    assert one.with_orbit(other.orbit, "a file").orbit_source == "a file"
    assert read(XML.replace("Auxiliary", "")).orbit_source == "annotation"


@pytest.mark.parametrize(
    ("pattern", "new", "problem"),
    [
        ("GRD", "SLC", "adsHeader/productType is SLC, not GRD"),
        (r"(?<=numberOfLines>)\d+", "1.5", "numberOfLines is 1.5"),
        (r"(?<=numberOfLines>)\d+", "99999999", "x 800 pixels"),
        (r"(?<=numberOfSamples>)\d+", "-5", "numberOfSamples is -5"),
        (r"(?<=azimuthTimeInterval>)[^<]+", "0", "azimuthTimeInterval is 0"),
        ("Earth Fixed", "Inertial", "orbitList/orbit/frame is not Earth Fixed"),
        ("<orbit>.*</orbit>", "", "generalAnnotation/orbitList/orbit is missing"),
        (r"<time>2026-03-05T06:54:4\d", "<time>2026-03-05T06:54:01", "vectors are out of order"),
        ("<time>2026-03-05T06", "<time>2026-03-05T05", "do not cover the scene"),
        (r"<orbit><time>[^<]*06:5(3|5|4:52).*?</orbit>", "", "5 state vectors, at least 6"),
        (r"(?<=06:54:32\.250000</time><frame>Earth Fixed</frame><position><x>)2", "3", "m off one"),
        (
            "(?<=</coordinateConversion><coordinateConversion><azimuthTime>)[^<]+",
            "2020-01-01T00:00:00",
            "coordinateConversion/azimuthTime is out of order",
        ),
        ("0.0 1.6 0.0", "0.0 1.6 zero", "srgrCoefficients is 'zero', not a number"),
        ("0.0 1.6 0.0", "0.0 1e999 0.0", "srgrCoefficients is '1e999', not a number"),
        ("<gr0>0.0", "<gr0>80.0", "gr0 is not 0"),
        ("<geolocationGridPoint>.*?</geolocationGridPoint>", "", "geolocationGridPoint is missing"),
        (r"<line>300</line><pixel>400<", "<line>301</line><pixel>400<", "are not in rows"),
        (r"<line>300<", "<line>0<", "9 points are not rows of 6"),
        (r"<pixel>400<", "<pixel>0<", "pixel: the points of a row are out of order"),
        (r"(?<=<latitude>)[^<]+", "90.1", "a point is not on the globe"),
        (r"(?<=<height>)[^<]+", "\u0661x", "geolocationGridPoint/height is"),
        (r"(?<=UtcTime>)2026", "2026-13", "productFirstLineUtcTime: "),
        (r"(?<=UtcTime>)2026", "9999", "productFirstLineUtcTime: "),
        ("<product>", "<!DOCTYPE p [<!ENTITY a 'b'>]><product>", "declares a document type"),
        ("</product>", "", "it is not XML"),
        (r"\A.*\Z", "", "it is not XML"),
        (r"\A.*\Z", "<html/>", "adsHeader/productType is missing or empty"),
        (r"\A.*\Z", "<a>" * 100 + "</a>" * 100, "nested more than"),
    ],
)
def test_bad_input_is_one_line_that_names_the_element(pattern: str, new: str, problem: str) -> None:
    changed, number = re.subn(pattern, lambda _: new, XML, flags=re.DOTALL)
    assert number
    with pytest.raises(UserError) as caught:
        read(changed)
    message = str(caught.value)
    assert problem in message
    assert message.startswith("scene/annotation.xml: the annotation cannot be used (")
    assert len(message) < 300


@pytest.mark.parametrize("name", sorted(set(LEAVES) - OPTIONAL))
def test_a_missing_element_is_named(name: str) -> None:
    without = re.sub(rf"<{name}(?: [^>]*)?>[^<]+</{name}>", "", XML, count=1)
    with pytest.raises(UserError, match=rf"{name} is missing or empty"):
        read(without)


@given(
    name=st.sampled_from(LEAVES), text=st.text(st.characters(exclude_characters="<&"), min_size=1)
)
def test_any_text_in_an_element_is_read_or_refused(name: str, text: str) -> None:
    changed = re.sub(rf"(<{name}(?: [^>]*)?>)[^<]+", lambda match: match[1] + text, XML, count=1)
    try:
        read_annotation(changed.encode("utf-8", "surrogatepass"), "scene/annotation.xml")
    except UserError as error:
        assert str(error).startswith("scene/annotation.xml: ")
        assert str(error).isprintable()


@given(end=st.integers(0, len(XML) - 1))
def test_a_truncated_file_is_refused(end: int) -> None:
    with pytest.raises(UserError, match="it is not XML"):
        read(XML[:end])


def test_the_grid_across_the_antimeridian_has_no_jump(test_data: Path) -> None:
    (path,) = (test_data / "sentinel1" / "grdh").glob("*_1C0B.zip")
    grid = open_product(path).annotation("VV").tie_points
    assert grid.lon_deg.min() < -180 < grid.lon_deg.max()
    steps = np.concatenate([np.diff(grid.lon_deg, axis=axis).ravel() for axis in (0, 1)])
    assert np.abs(steps).max() < 0.5
