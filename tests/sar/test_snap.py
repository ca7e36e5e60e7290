"""The engine ``pyrosar`` against stand-ins for pyroSAR and SNAP; no real SNAP was ever run."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import made_grd
import made_snap
import numpy as np
import pytest
from made_orbits import at, eof, orbit_name
from painted_grd import SHAPE, area, hills, lon_lat, write_model, write_product
from waiting import wait_until

from ssl4sar.cli import main
from ssl4sar.core.errors import EngineError, UserError
from ssl4sar.core.grid import Grid
from ssl4sar.sar.coding import read_backscatter
from ssl4sar.sar.engine import geocode_with_engine
from ssl4sar.sar.geocode import GeocodeOptions
from ssl4sar.sar.product import GrdProduct, open_product
from ssl4sar.sar.snap.program import TimeOverError, run_program
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.scenes import RawScene, stack_scenes

GRID = area(120)
SNAP = GeocodeOptions(engine="pyrosar")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("snap")
    write_product(base, np.full(SHAPE, 40, np.uint16), noise=600.0)

    def pierced(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        heights = hills(lon, lat)
        heights[:, lon[0] < np.percentile(lon_lat(GRID)[0], 10)] = np.nan
        return heights

    write_model(base / "dem.tif", GRID, pierced, HEIGHTS="ellipsoidal")
    return base


@pytest.fixture
def product(folder: Path) -> GrdProduct:
    return open_product(next(folder.glob("*.SAFE")))


@pytest.fixture
def elevation(folder: Path) -> Elevation:
    return Elevation(folder / "dem.tif")


def orbit_file(parent: Path, kind: str) -> Path:
    """Write an orbit file whose vectors are those of the product's annotation."""
    first = made_grd.START.replace(microsecond=0)
    since_s = np.arange(-120.0, 130.0, 10.0)
    times = [at(f"{first}") + timedelta(seconds=float(each)) for each in since_s]
    places, velocities = made_grd.circle(since_s - 0.25)
    listed = "".join(
        f"<OSV><UTC>UTC={time:%Y-%m-%dT%H:%M:%S.%f}</UTC>"
        + "".join(f"<{axis}>{value}</{axis}>" for axis, value in zip("XYZ", place, strict=True))
        + "".join(f"<V{axis}>{value}</V{axis}>" for axis, value in zip("XYZ", speed, strict=True))
        + "</OSV>"
        for time, place, speed in zip(times, places.T, velocities.T, strict=True)
    )
    name = orbit_name(times[0], times[-1], at("2026-03-25"), kind, "S1C")
    path = parent / f"{name}.EOF"
    content = eof(name, vectors=0, announced=len(times))
    path.write_text(content.replace("</List_of_OSVs>", f"{listed}</List_of_OSVs>"))
    return path


def is_alive(process: int) -> bool:
    """Return whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("quantity", "orbit", "behaviour"),
    [
        ("sigma0", "RESORB", "ok"),
        pytest.param("gamma0", "POEORB", "ok", marks=pytest.mark.slow),
        pytest.param("gamma0_rtc", None, "ok", marks=pytest.mark.slow),
        pytest.param("sigma0", None, "unknown", marks=pytest.mark.slow),
    ],
)
def test_an_image_of_snap_has_the_form_of_ours_and_is_on_our_grid(
    product: GrdProduct,
    elevation: Elevation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quantity: str,
    orbit: str | None,
    behaviour: str,
) -> None:
    made_snap.install(tmp_path, monkeypatch, behaviour)
    file = None
    if orbit is not None:
        file = orbit_file(tmp_path, orbit)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        monkeypatch.setenv("MADE_SNAP_ORBIT", f"{orbit} 2026/03 {digest}")
    options = GeocodeOptions(quantity, orbit_file=file)  # type: ignore[arg-type]
    ours = geocode_with_engine(product, "HH", GRID, elevation, options)
    found = geocode_with_engine(product, "HH", GRID, elevation, replace(options, engine="pyrosar"))
    assert {name: (band.dims, band.dtype, band.attrs) for name, band in found.items()} == {
        name: (band.dims, band.dtype, band.attrs) for name, band in ours.items()
    }
    assert found.coords.equals(ours.coords)
    unlike = {"engine": "pyrosar", "engine_versions": "pyroSAR 0.39.1, SNAP microwavetbx 12.0.1"}
    assert found.attrs == {**ours.attrs, **unlike, "looks": [1, 2]}
    assert ours.attrs["engine"] == "builtin"
    valid = found.valid.values
    # Heights are missing in the west, the image of the stand-in ends in the south and east.
    for side in (valid[:, :5], valid[-2:], valid[:, -2:]):
        assert not side.any()
    assert valid[:-5, 30:-5].all()
    expected = made_snap.power_at(GRID.x(), GRID.y())
    db = found.backscatter.values
    np.testing.assert_allclose(db[valid], 10 * np.log10(expected[valid]), atol=1e-4)
    assert np.isnan(db[~valid]).all()
    marks = found.layover_shadow.values
    assert set(np.unique(marks)) == {0, 1}
    assert (marks == 1).sum() == 100
    assert list(tmp_path.glob("ssl4sar_snap_*")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (
            "fail [NodeId: Read] Java heap space",
            r"5432_.*: SNAP failed: \[NodeId: Read\] Java heap",
        ),
        ("fail [NodeId: A] Operator 'A': Unknown element 'b'", "Unknown element 'b'"),
        ("killed", "it was killed, perhaps out of memory"),
        ("moved", "the grids are not of one lattice"),
        ("mapped", "it is in another reference system"),
        ("empty", "SNAP's image is empty in the area"),
        ("nothing", "did not write the image that it was to write"),
    ],
)
def test_what_snap_does_wrong_is_said_in_one_line(
    product: GrdProduct,
    elevation: Elevation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    message: str,
) -> None:
    made_snap.install(tmp_path, monkeypatch, behaviour)
    with pytest.raises(UserError, match=message) as caught:
        geocode_with_engine(product, "HH", GRID, elevation, SNAP)
    assert not isinstance(caught.value, EngineError)
    assert "\n" not in str(caught.value)


def test_a_scene_that_snap_cannot_make_is_recorded(
    product: GrdProduct, elevation: Elevation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_snap.install(tmp_path, monkeypatch, "fail the scene is odd")
    scenes = [RawScene(product.path)]
    record = tmp_path / "stack.json"
    stack = stack_scenes(scenes, "Glacier", GRID, elevation, record, options=SNAP)
    assert "the scene is odd" in str(stack.scenes[0].problem)
    monkeypatch.setenv(made_snap.BEHAVIOUR, "ok")
    stack = stack_scenes(scenes, "Glacier", GRID, elevation, record, options=SNAP)
    assert stack.scenes[0].facts["engine"] == "pyrosar"


def test_a_glacier_outside_of_utm_is_recorded(
    product: GrdProduct, elevation: Elevation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_snap.install(tmp_path, monkeypatch)
    polar = Grid.at(0, 0, 40, (9, 9), "EPSG:3413")
    scenes = [RawScene(product.path)]
    stack = stack_scenes(scenes, "G", polar, elevation, tmp_path / "stack.json", options=SNAP)
    assert "is used in zones of UTM only, the grid is in EPSG:3413" in str(stack.scenes[0].problem)


@pytest.mark.parametrize("damaged", ["answer", "graph"])
def test_a_damaged_graph_of_pyrosar_is_recorded(
    product: GrdProduct,
    elevation: Elevation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damaged: str,
) -> None:
    made_snap.install(tmp_path, monkeypatch)
    library = tmp_path / "library/pyroSAR/snap.py"
    spoiled = {"answer": "return 5", "graph": "open(path, 'w').write('<graph>')"}[damaged]
    library.write_text(
        library.read_text().replace("    return path\n", f"    {spoiled}\n    return path\n")
    )
    scenes = [RawScene(product.path)]
    record = tmp_path / "stack.json"
    stack = stack_scenes(scenes, "G", GRID, elevation, record, options=SNAP)
    assert "pyroSAR did not write a graph that can be read" in str(stack.scenes[0].problem)


def test_a_time_limit_ends_all_that_snap_started(
    product: GrdProduct, elevation: Elevation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "processes"
    script = f"sleep 600 & echo $$ $! > {started}; wait"
    with pytest.raises(TimeOverError):
        run_program(["sh", "-c", script], tmp_path, tmp_path / "log", time.monotonic() + 3)
    for process in map(int, started.read_text().split()):
        wait_until(lambda process=process: not is_alive(process), "the end of a process")
    made_snap.install(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"SNAP was killed after 0 minutes; raise stack\.snap_"):
        geocode_with_engine(product, "HH", GRID, elevation, replace(SNAP, snap_timeout_min=0))


@pytest.mark.slow
def test_a_job_that_is_ended_takes_snap_with_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "processes"
    made_snap.install(tmp_path, monkeypatch, f"hang {started}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = process_command(folder, tmp_path / "out.tif", "--engine", "pyrosar")
    program = "import sys; from ssl4sar.cli import main; sys.exit(main(sys.argv[1:]))"
    job = subprocess.Popen([sys.executable, "-c", program, *command])
    wait_until(lambda: started.exists() and started.read_text(), "both generations of SNAP")
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 128 + signal.SIGTERM
    for process in map(int, started.read_text().split()):
        wait_until(lambda process=process: not is_alive(process), "the end of a process")
    assert list(tmp_path.glob("ssl4sar_snap_*")) == []


@pytest.mark.parametrize(
    ("options", "missing", "message"),
    [
        ({}, "gpt", "the engine pyrosar: gpt of SNAP is not on PATH; install ESA SNAP"),
        ({}, "pyroSAR", "No module named 'pyroSAR'.*conda env create -f envs/pyrosar.yaml"),
        ({"quantity": "beta0"}, "", "it does not make beta0; choose sigma0, gamma0, gamma0_r"),
    ],
)
def test_what_no_scene_can_have_ends_the_job(
    product: GrdProduct,
    elevation: Elevation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    missing: str,
    message: str,
) -> None:
    made_snap.install(tmp_path, monkeypatch)
    if missing == "gpt":
        (tmp_path / "bin/gpt").unlink()
    elif missing:
        (tmp_path / "library/pyroSAR").rename(tmp_path / "library/other")
    chosen = replace(SNAP, **options)  # type: ignore[arg-type]
    record = tmp_path / "stack.json"
    with pytest.raises(EngineError, match=message):
        stack_scenes([RawScene(product.path)], "G", GRID, elevation, record, options=chosen)
    assert not record.exists()


def test_an_orbit_file_of_another_name_is_refused(
    product: GrdProduct, elevation: Elevation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_snap.install(tmp_path, monkeypatch)
    renamed = orbit_file(tmp_path, "POEORB").rename(tmp_path / "mine.EOF")
    with pytest.raises(UserError, match=r"mine\.EOF: SNAP knows orbit files by their names"):
        geocode_with_engine(product, "HH", GRID, elevation, replace(SNAP, orbit_file=renamed))


def process_command(folder: Path, out: Path, *more: str) -> list[str]:
    lon, lat = lon_lat(GRID)
    bounds = [f"{each:.4f}" for each in (lon.min(), lat.min(), lon.max(), lat.max())]
    (scene,) = folder.glob("*.SAFE")
    dem = str(folder / "dem.tif")
    return [
        "sar",
        "process",
        str(scene),
        "--dem",
        dem,
        "--bounds",
        *bounds,
        "--spacing",
        "40",
        "--out",
        str(out),
        *more,
    ]


@pytest.mark.slow
def test_both_engines_are_compared_by_their_images(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made_snap.install(tmp_path, monkeypatch)
    one, other = tmp_path / "builtin.tif", tmp_path / "snap.tif"
    assert main(process_command(folder, one)) == 0
    assert main(process_command(folder, other, "--engine", "pyrosar")) == 0
    assert read_backscatter(other).metadata["engine"] == "pyrosar"
    capsys.readouterr()
    assert main(["sar", "compare", str(one), str(other)]) == 0
    assert "snap.tif (sigma0, pyrosar)" in capsys.readouterr().out
