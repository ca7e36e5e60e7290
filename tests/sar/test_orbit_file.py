"""Precise orbits of EOF files in place of the annotation's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from made_orbits import at, eof, orbit_name

from ssl4sar.acquire.orbits.file import read_state_vectors
from ssl4sar.core.errors import UserError
from ssl4sar.sar.check import grid_errors
from ssl4sar.sar.orbit_file import with_orbit_file
from ssl4sar.sar.product import open_product


@pytest.fixture(scope="module")
def scene(test_data: Path) -> Path:
    (path,) = (test_data / "sentinel1" / "grdh").glob("*_5371.SAFE")
    return path


def own_orbit(scene: Path, platform: str = "S1B", shift_s: float = 0.0) -> str:
    """Return an orbit file of the vectors of the scene's annotation."""
    (annotation,) = (scene / "annotation").glob("*-vv-*.xml")
    vectors = ElementTree.parse(annotation).findall("generalAnnotation/orbitList/orbit")
    times = [at(vector.findtext("time", "")) + timedelta(seconds=shift_s) for vector in vectors]
    listed = "".join(
        f"<OSV><UTC>UTC={time:%Y-%m-%dT%H:%M:%S.%f}</UTC>"
        + "".join(
            f"<{axis}>{vector.findtext(f'position/{axis.lower()}')}</{axis}>" for axis in "XYZ"
        )
        + "".join(
            f"<V{axis}>{vector.findtext(f'velocity/{axis.lower()}')}</V{axis}>" for axis in "XYZ"
        )
        + "</OSV>"
        for time, vector in zip(times, vectors, strict=True)
    )
    name = orbit_name(times[0], times[-1], at("2022-01-12"), platform=platform)
    empty = eof(name, vectors=0, announced=len(vectors))
    return empty.replace("</List_of_OSVs>", f"{listed}</List_of_OSVs>")


def test_the_same_vectors_give_the_same_geometry(scene: Path, tmp_path: Path) -> None:
    path = tmp_path / "S1B.EOF"
    path.write_text(own_orbit(scene))
    annotation = open_product(scene).annotation("VV")
    precise = with_orbit_file(annotation, path)
    assert precise.orbit_source == "AUX_POEORB (S1B)"
    assert precise.orbit.vectors == annotation.orbit.vectors
    times = np.linspace(0.0, annotation.duration_s, 7)
    for quantity in ("position", "velocity"):
        one, other = (getattr(each.orbit, quantity)(times) for each in (annotation, precise))
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert grid_errors(precise).azimuth_error_max_m < 0.05


def test_an_orbit_of_another_satellite_or_time_is_refused(scene: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.EOF"
    annotation = open_product(scene).annotation("VV")
    path.write_text(own_orbit(scene, "S1A"))
    with pytest.raises(UserError, match=r"other\.EOF: it is the orbit of S1A, the scene is of S1B"):
        with_orbit_file(annotation, path)
    path.write_text(own_orbit(scene, shift_s=6000.0))
    with pytest.raises(
        UserError, match=r"does not fit the scene of 2021-12-23T05:11:22 \(the state"
    ):
        with_orbit_file(annotation, path)


NAME = orbit_name(at("2021-03-05 03:00"), at("2021-03-05 03:30"), at("2021-04-01"))


def test_state_vectors_are_read_with_their_velocities(tmp_path: Path) -> None:
    path = tmp_path / "a.EOF"
    path.write_text(eof(NAME))
    vectors = read_state_vectors(path)
    assert (vectors.platform, vectors.file_type, vectors.times.size) == ("S1A", "AUX_POEORB", 181)
    assert vectors.times[0] == np.datetime64("2021-03-05T03:00:00")
    flown_m = np.diff(vectors.positions_m, axis=1)
    between = (vectors.velocities_m_s[:, 1:] + vectors.velocities_m_s[:, :-1]) / 2
    np.testing.assert_allclose(flown_m, between * 10.0, atol=1.0)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("EARTH_FIXED", "MEAN_OF_DATE", "its frame is MEAN_OF_DATE, not EARTH_FIXED"),
        ("<VX unit", "<WX unit", "not XML"),
        ('<VY unit="m/s">0.0', '<VY unit="m/s">nan', "a position or velocity is not a number"),
        ('<Y unit="m">0.0', '<Y unit="m">nan', "a position or velocity is not a number"),
        ('<VY unit="m/s">0.0', '<VY unit="m/s">fast', "could not convert"),
        ("<Ref_Frame>EARTH_FIXED</Ref_Frame>", "", "'Ref_Frame' is missing"),
    ],
)
def test_damaged_state_vectors_are_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    path = tmp_path / "a.EOF"
    path.write_text(eof(NAME).replace(old, new))
    with pytest.raises(UserError, match="not a valid orbit file") as caught:
        read_state_vectors(path)
    assert problem in str(caught.value)
