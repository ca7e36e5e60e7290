"""Geocoding one product beside sarsen, in one run, each in a process of its own on one core.

    python benchmarks/geocoding.py PRODUCT.SAFE [--side 2000] [--two]

The product gives its metadata; its image is replaced by speckle, and the terrain is made up. Both
sides read the same image and the same heights on the same 20 m grid. Ours also subtracts noise,
masks the border, averages looks, interpolates, and makes incidence angle and the mask of layover
and shadow; sarsen calibrates and takes the nearest pixel. Processor time is shown beside wall
time: on a busy machine only it can be compared. ``--two`` runs two of ours at once on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator

SPACING_M = 20.0
#: Seconds, bytes and times of sarsen's duration that are asked for.
GOAL_S, GOAL_BYTES, GOAL_RATIO = 9.0, 2e9, 2.4

_TIMED = """
import json, os, resource, sys, time
os.sched_setaffinity(0, {{{core}}})
started = time.perf_counter()
{imports}
ready = time.perf_counter(), time.process_time()
{work}
done = time.perf_counter(), time.process_time()
print(json.dumps({{
    "imports_s": ready[0] - started,
    "wall_s": done[0] - ready[0],
    "cpu_s": done[1] - ready[1],
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}}))
"""
_OURS = (
    "import dask.array, xarray; from pathlib import Path; "
    "from ssl4sar.sar.process import ProcessRequest, grid_of_file, process; "
    "from ssl4sar.sar.geocode import GeocodeOptions; from ssl4sar.sar.terrain import Elevation",
    "process(ProcessRequest(Path({product!r}), 'VV', grid_of_file(Path({heights!r})), "
    "Elevation(Path({heights!r})), GeocodeOptions(), Path({out!r})))",
)
_SARSEN = (
    "import warnings; warnings.simplefilter('ignore'); import sarsen, dask.array, rioxarray",
    "sarsen.terrain_correction(sarsen.Sentinel1SarProduct({product!r}, 'IW/VV'), {heights!r}, "
    "output_urlpath={out!r})",
)


def prepare(source: Path, folder: Path, side: int) -> tuple[Path, Path]:
    """Copy a product with an image of speckle, and write heights around its centre."""
    from pyproj import Transformer
    from rasterio import open as open_image

    from ssl4sar.sar.product import open_product

    product = folder / source.name
    shutil.copytree(source, product)
    for path in (product, *product.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    opened = open_product(product)
    annotation = opened.annotation("VV")
    rng = generator(0, "benchmark of geocoding")
    size = {"height": annotation.lines, "width": annotation.pixels}
    with open_image(
        opened.measurement("VV"), "w", driver="GTiff", count=1, dtype="uint16", **size
    ) as file:
        for start in range(0, annotation.lines, 1024):
            rows = min(1024, annotation.lines - start)
            power = rng.standard_gamma(4.4, (rows, annotation.pixels), dtype=np.float32) / 4.4
            numbers = (80 * np.sqrt(power)).astype(np.uint16)
            file.write(numbers, 1, window=((start, start + rows), (0, annotation.pixels)))
    points = annotation.tie_points
    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(
        points.lon_deg.mean(), points.lat_deg.mean()
    )
    left, top = (round(each / SPACING_M) * SPACING_M for each in (x, y))
    half = side * SPACING_M / 2
    grid = Grid.at(left - half, top + half, SPACING_M, (side, side), "EPSG:32633")
    relief = ndimage.gaussian_filter(rng.standard_normal(grid.shape), 60)
    heights = 400 + 300 * relief / np.abs(relief).max()
    path = folder / "heights.tif"
    write_geotiff(path, heights.astype(np.float32)[None], grid, tags={"HEIGHTS": "ellipsoidal"})
    return product, path


def start(side: tuple[str, str], core: int, **names: str) -> subprocess.Popen[str]:
    """Start a timed process on one core."""
    imports, work = side
    program = _TIMED.format(core=core, imports=imports, work=work.format(**names))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )


def finish(process: subprocess.Popen[str]) -> dict[str, float]:
    """Return what a timed process measured."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit("a run failed")
    measured: dict[str, float] = json.loads(output.splitlines()[-1])
    return measured


def show(name: str, measured: dict[str, float]) -> None:
    """Print one line."""
    print(
        f"{name:10} imports {measured['imports_s']:5.1f} s, then wall {measured['wall_s']:6.1f} s, "
        f"processor {measured['cpu_s']:6.1f} s, peak {measured['peak_bytes'] / 1e9:.2f} GB"
    )


def main() -> int:
    """Run both sides and compare them with the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("product", type=Path, help="folder NAME.SAFE of a GRD product with VV")
    parser.add_argument("--side", type=int, default=2000, help="pixels (default: %(default)s)")
    parser.add_argument("--two", action="store_true", help="also two of ours at once")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        product, heights = prepare(options.product, folder, options.side)
        paths = {"product": str(product), "heights": str(heights)}
        ours = finish(start(_OURS, cores[0], out=str(folder / "ours.tif"), **paths))
        show("ssl4sar", ours)
        theirs = finish(start(_SARSEN, cores[0], out=str(folder / "sarsen.tif"), **paths))
        show("sarsen", theirs)
        ratio = theirs["cpu_s"] / ours["cpu_s"]
        print(f"ssl4sar takes 1 / {ratio:.1f} of sarsen's processor time")
        if options.two and len(cores) > 1:
            began = time.perf_counter()
            pair = [
                start(_OURS, core, out=str(folder / f"{core}.tif"), **paths) for core in cores[:2]
            ]
            both = [finish(process) for process in pair]
            print(f"two at once: {time.perf_counter() - began:.1f} s with imports, each then")
            for measured in both:
                show("", measured)
            print(f"speed-up {2 * ours['wall_s'] / max(each['wall_s'] for each in both):.2f}")
    reached = ours["cpu_s"] <= GOAL_S and ours["peak_bytes"] <= GOAL_BYTES and ratio >= GOAL_RATIO
    print("goals reached" if reached else "goals NOT reached")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
