"""The check of products, on all real ones: geometry (A6, A9 of the tests agreed on), noise (A5)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_grd import NAME, grd_files, grd_manifest, noise_xml, write_grd

from ssl4sar.cli import main
from ssl4sar.sar.check import check_product

FILES = grd_files()
MANIFEST = grd_manifest(FILES)
#: By processor, as measured: metres along the track and of slant range, pixels, lines.
NEW, OLD, FIRST = (0.02, 0.001, 0.001, 0.19), (0.6, 0.001, 0.001, 0.25), (3.1, 0.001, 1.2, 0.5)


@pytest.mark.parametrize(
    ("ending", "version", "limits", "polarisations"),
    [
        ("FEC3.zip", "2.36", FIRST, ["VV", "VH"]),
        ("6D00.zip", "2.70", OLD, ["VV", "VH"]),
        ("8255.zip", "3.31", NEW, ["VV", "VH"]),
        ("ECC8.SAFE", "3.31", NEW, ["VV", "VH"]),
        ("5371.SAFE", "3.40", NEW, ["VV"]),
        ("1C0B.zip", "4.03", NEW, ["VV", "VH"]),
    ],
)
def test_real_grids_return(
    test_data: Path,
    capsys: pytest.CaptureFixture[str],
    ending: str,
    version: str,
    limits: tuple[float, ...],
    polarisations: list[str],
) -> None:
    (path,) = (test_data / "sentinel1" / "grdh").glob(f"*_{ending}")
    assert main(["sar", "check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["processor_version"] == version
    assert list(found["polarisations"]) == polarisations
    assert found["within_limits"] is True
    keys = ("azimuth_error_max_m", "slant_range_error_max_m", "pixel_error_max_px")
    for key, limit in zip((*keys, "line_error_max_px"), limits, strict=True):
        worst = max(each[key] for each in found["polarisations"].values())
        assert found[key] == worst <= limit <= found["limits"][key]
    assert found["orbit"]["vectors"] == {"2.36": 28, "2.70": 17}.get(
        version, found["orbit"]["vectors"]
    )
    assert found["orbit"]["misfit_m"] < 0.005
    for name, each in found["polarisations"].items():
        # The first processor wrote only zeros; of one product the noise is not here.
        if version == "2.36" or "noise" in found["missing"].get(name, ()):
            assert each["nesz_centre_db"] is None
        else:
            assert -32 < each["nesz_centre_db"] < -22
    assert found["missing"]["VH"][-1] == "measurement"


def test_a_person_reads_a_table_and_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_grd(tmp_path, FILES)
    assert main(["sar", "check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"HV │ +0\.0000 │ +0\.0000 │ +0\.0000 │ +0\.0000 │ +-30\.0 │", shown)
    assert f"product: {NAME}" in shown
    assert "S1C, EW, processor 3.95, ascending pass, relative orbit 58" in shown
    assert "missing: nothing" in shown
    assert "verdict: the geometry is that of the processor" in shown


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("<pixel>799<", "<pixel>798<", "pixel_error_max_px"),
        ("<sr0>850000.0<", "<sr0>851000.0<", "pixel_error_max_px"),
        ("<line>300<", "<line>301<", "line_error_max_px"),
    ],
)
def test_a_grid_that_does_not_return_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, key: str
) -> None:
    files = {
        name: data.replace(old.encode(), new.encode()) if "-hv-" in name else data
        for name, data in FILES.items()
    }
    path = write_grd(tmp_path, files)
    assert main(["sar", "check", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found[key] == found["polarisations"]["HV"][key] > found["limits"][key]
    assert found["polarisations"]["HH"][key] < found["limits"][key]
    assert main(["sar", "check", str(path)]) == 1
    assert "BEYOND ITS LIMIT" in capsys.readouterr().out


def test_an_unknown_version_has_the_widest_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = grd_manifest(FILES).replace('"003.95"', '"test"')
    path = write_grd(tmp_path, FILES, manifest)
    assert main(["sar", "check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["processor_version"] == "test"
    assert found["limits"]["azimuth_error_max_m"] == 5.0


def test_products_may_have_no_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: data for name, data in FILES.items() if "noise-s1c-ew-grd-hh" not in name}
    path = write_grd(tmp_path, files)
    assert main(["sar", "check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["missing"] == {"HH": ["noise"]}
    assert found["polarisations"]["HH"]["nesz_centre_db"] is None
    assert found["nesz_centre_db"] == pytest.approx(-30.0)
    zeros = {
        name: noise_xml(0.0).encode() if "noise" in name else data for name, data in FILES.items()
    }
    assert main(["sar", "check", str(write_grd(tmp_path, zeros)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nesz_centre_db"] is None


def test_where_the_solver_finds_nothing_there_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: re.sub(rb"(?<=<latitude>)[^<]+", b"-60.0", data) for name, data in FILES.items()}
    assert main(["sar", "check", str(write_grd(tmp_path, files)), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["azimuth_error_max_m"] is None


@pytest.mark.parametrize(
    ("version", "border", "azimuth_limit_m"),
    [
        ("002.36", "noise", 5.0),
        ("002.70", "noise", 1.0),
        ("002.90", "set to 0", 0.05),
        ("004.10", "set to 0", 0.05),
    ],
)
def test_old_processors_are_measured_by_what_they_could(
    tmp_path: Path, version: str, border: str, azimuth_limit_m: float
) -> None:
    manifest = MANIFEST.replace("003.95", version)
    found = check_product(write_grd(tmp_path, FILES, manifest))
    assert found.border.startswith(border)
    assert found.limits.azimuth_error_max_m == azimuth_limit_m


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_grd(tmp_path, FILES)
    for file in path.glob("annotation/*-hh-*.xml"):
        file.write_text("<product>")
    assert main(["sar", "check", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(r"error: .*-hh-.*\.xml: the annotation cannot be used", error)
    noise = next(path.glob("annotation/calibration/noise-*-hh-*"))
    noise.write_text("<noise/>")
    write_grd(
        tmp_path, {name: data for name, data in FILES.items() if "noise" not in name}, MANIFEST
    )
    assert main(["sar", "check", str(path)]) == 2
    assert re.search(
        r"error: .*/noise-.*-hh-.*\.xml: the noise is damaged", capsys.readouterr().err
    )
    for file in path.glob("annotation/*.xml"):
        file.unlink()
    assert main(["sar", "check", str(path)]) == 2
    assert "all of its annotations are missing; get the product" in capsys.readouterr().err
    assert main(["sar", "check", str(tmp_path / "nothing")]) == 2
    assert "nothing: the product does not exist" in capsys.readouterr().err
