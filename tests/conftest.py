"""Shared fixtures: where the real test data are, a tiny CaFFe tree, a finished study."""

from __future__ import annotations

import os

# Threads of two test processes on two cores would wait for each other.
# NumPy reads it when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import fcntl
import gc
import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from project_copy import House, copy_project
from recorded_project import RecordedProject

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.seeding import generator

# Machines of continuous integration are slow and shared: time says nothing about correctness.
settings.register_profile("shared", deadline=None, max_examples=30)
# More of everything: pytest --hypothesis-profile=thorough
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("shared")

PROJECT = Path(__file__).resolve().parents[1]


# What is imported stays: looking through it for garbage takes a third of the time of the imports.
@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Collect without the garbage collector, which spares what was imported from then on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # As those of NumPy.
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)


def place(nodeid: str) -> str:
    """Return what decides the process of a test, where ``-n`` starts several.

    The tests of a file share what its fixtures make, all of `tests/slurm` the one SLURM. Those that
    work in copies of the finished study are long and share nothing else: each goes where there is
    room.
    """
    file = nodeid.partition("::")[0]
    if file.startswith("tests/slurm/"):
        return "tests/slurm/"
    shares = not file.startswith("tests/workflow/") or file.endswith("/test_acquisition.py")
    return file if shares else nodeid


# The marks of ``--dist loadgroup`` do nothing with pytest 9.2 and pytest-xdist 3.8.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what deals the tests out to processes."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return place(nodeid)

    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where ``-n`` starts several processes, let the longest begin first, so that all end together.

    SLURM's tests are one after the other, and make the finished study while others need none.
    """
    if hasattr(config, "workerinput"):
        marks = ("slurm", "slow")
        items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in marks])


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder with real data and golden cases; skips where it is missing."""
    folder = Path(os.environ.get("SSL4SAR_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set SSL4SAR_TEST_DATA to the data folder")
    return folder


@pytest.fixture(scope="session")
def write_scene() -> Callable[[Path, Split, str, int, int], None]:
    """Function that writes the four files of a made-up scene: root, split, name, height, width."""

    def write(root: Path, split: Split, name: str, height: int, width: int) -> None:
        tree = CaffeTree(root)
        rng = generator(0, "tiny scene", name)
        front_column = width // 2 + np.round(width / 8 * np.sin(np.arange(height) / 7)).astype(int)
        columns = np.arange(width)
        zones = np.where(columns < front_column[:, None], np.uint8(127), np.uint8(254))
        zones[: height // 6] = 64
        zones[-2:, -3:] = 0
        image = rng.integers(1, 256, (height, width), dtype=np.uint8)
        image[zones == 0] = 0
        glacier = zones == 127
        front = (zones == 254) & (
            np.pad(glacier, ((0, 0), (1, 0)))[:, :-1]
            | np.pad(glacier, ((1, 0), (0, 0)))[:-1]
            | np.pad(glacier, ((0, 1), (0, 0)))[1:]
        )
        write_gray(tree.sar(split, name), image)
        write_gray(tree.zones(split, name), zones)
        write_gray(tree.front(split, name), front.astype(np.uint8) * 255)
        BoundingBox(2.5, width - 2.5, 1.0, height - 1.0).write(tree.box(name))

    return write


@pytest.fixture(scope="session")
def tiny_caffe(
    tmp_path_factory: pytest.TempPathFactory,
    write_scene: Callable[[Path, Split, str, int, int], None],
) -> Path:
    """A made-up CaFFe tree, to be read only: 6 training and 2 test scenes, 7 m and 20 m pixels."""
    root = tmp_path_factory.mktemp("tiny") / "data_raw"
    for month in (1, 5, 9):
        write_scene(root, "train", f"JAC_2010-{month:02}-03_TSX_7_1_014", 60, 80)
        write_scene(root, "train", f"Crane_2011-{month:02}-07_S1_20_2_009", 24, 36)
    write_scene(root, "test", "COL_2012-03-04_TDX_7_1_024", 63, 78)
    write_scene(root, "test", "Mapple_2013-08-09_ENVISAT_20_3_061", 22, 27)
    return root


@pytest.fixture
def unmade(tmp_path: Path) -> RecordedProject:
    """A project in miniature before its first job."""
    made = RecordedProject(tmp_path / "project", tmp_path / "outside" / "raw.txt")
    made.write()
    return made


@pytest.fixture
def project(unmade: RecordedProject) -> RecordedProject:
    """A project in miniature, finished, with the records of its jobs."""
    unmade.make()
    return unmade


@pytest.fixture
def another(tmp_path: Path) -> RecordedProject:
    """A second clone of it, before its first job."""
    made = RecordedProject(tmp_path / "clone", tmp_path / "outside" / "raw.txt")
    made.write()
    return made


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The smallest study with both results, made once for all test processes; read only.

    What runs a command works in a copy: `House.copy` takes time stamps and Snakemake's records
    along.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished_study"
    done = folder.with_suffix(".done")
    # Where several test processes ask, the first makes it and the others wait.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            copy_project(folder).build(target="all")
            done.touch()
    return House(folder)


@pytest.fixture
def finished(finished_study: House, tmp_path: Path) -> House:
    """A private copy of the finished study."""
    return finished_study.copy(tmp_path / "house")
