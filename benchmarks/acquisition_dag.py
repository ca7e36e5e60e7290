"""Planning at the size of SSL4SAR: 9,563 scenes of 14 glaciers from frozen inventories.

    python benchmarks/acquisition_dag.py [--scenes 9563] [--glaciers 14]

Prints wall time, processor time and peak memory of ``snakemake -n`` for the target ``dataset``,
from the fetch of raw scenes to the dataset of the pretraining, and for the target ``scenes``, first
with all scenes still to fetch, then with all of them there. Every glacier but the first also lists
each fourth scene of the one before it. Beside them those of the same commands for a hundredth of
the scenes, which show what grows with the scenes. Processor time is shown beside wall time: on a
busy machine only it can be compared. Inventories and products are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from ssl4sar.acquire.catalogue.inventory import (
    Inventory,
    InventoryHeader,
    read_inventory,
    write_inventory,
)
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.product import Product

PROJECT = Path(__file__).resolve().parents[1]
FIRST = datetime(2015, 1, 1, 12, tzinfo=UTC)
SAR_BYTES, OPTICAL_BYTES = 1_740_000_000, 800_000_000


def made_product(glacier: int, number: int) -> Product:
    """Return a made-up product like those of Copernicus Data Space."""
    start = FIRST + timedelta(hours=6 * number, minutes=glacier)
    stop = start + timedelta(seconds=25)
    times = f"{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
    square = [[12.0, 78.0], [18.0, 78.0], [18.0, 80.0], [12.0, 80.0], [12.0, 78.0]]
    identity = f"{glacier:08x}-0000-4000-8000-{number:012x}"
    return Product(
        provider="cdse",
        id=identity,
        name=f"S1A_IW_GRDH_1SDH_{times}_{number:06d}_{glacier:06X}_MADE",
        mission="sentinel-1",
        platform="S1A",
        product_type="IW_GRDH_1S",
        start=start,
        stop=stop,
        mode="IW",
        polarisations=("HH", "HV"),
        relative_orbit=number % 175 + 1,
        orbit_direction="ascending" if number % 2 else "descending",
        datatake=f"{glacier:06X}",
        processor_version="003.40",
        size_bytes=SAR_BYTES,
        checksums={"md5": f"{number:032x}", "blake3": f"{number:064x}"},
        footprint={"type": "Polygon", "coordinates": [square]},
        urls={"product": f"https://example.org/odata/v1/Products({identity})/$value"},
    )


def made_optical(glacier: int) -> Product:
    """Return the made-up optical product of a glacier."""
    start = FIRST + timedelta(days=200, minutes=glacier)
    identity = f"{glacier:08x}-0000-4000-8000-optical00000"
    return replace(
        made_product(glacier, 0),
        id=identity,
        name=f"S2A_MSIL2A_{start:%Y%m%dT%H%M%S}_N0500_R001_T33XWH_{start:%Y%m%dT%H%M%S}",
        mission="sentinel-2",
        platform="S2A",
        product_type="S2MSI2A",
        start=start,
        stop=start,
        mode=None,
        polarisations=(),
        size_bytes=OPTICAL_BYTES,
        urls={"product": f"https://example.org/odata/v1/Products({identity})/$value"},
    )


def write_project(folder: Path, scenes: int, glaciers: int) -> Path:
    """Write inventories, a list of glaciers and a configuration; return the configuration."""
    features = []
    for glacier in range(glaciers):
        name = f"MadeUp{glacier:02d}"
        ring = [[14.0, 78.5], [15.0, 78.5], [15.0, 78.8], [14.0, 78.8], [14.0, 78.5]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        properties = {"name": name, "long_name": name, "region": "made up", "epsg": 32633}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
        count = scenes // glaciers + (glacier < scenes % glaciers)
        radar = [made_product(glacier, number) for number in range(count)]
        if glacier:
            radar += [made_product(glacier - 1, number) for number in range(0, count, 4)]
        products = (*radar, made_optical(glacier))
        header = InventoryHeader(
            glacier=name,
            caffe_test=False,
            area=geometry,
            providers={"sentinel-1": "cdse"},
            query={},
            searched_utc=FIRST,
            counts={"found": len(products), "kept": len(products)},
        )
        path = folder / "data" / "inventory" / name / "inventory.jsonl"
        path.parent.mkdir(parents=True)
        write_inventory(path, Inventory(header, products))
    glaciers_file = folder / "glaciers.geojson"
    glaciers_file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    config = folder / "config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "planning",
                "acquisition": {"glaciers_file": str(glaciers_file)},
                "sentinel": {"provider": "cdse"},
                "ssl4sar": {"source": "sentinel"},
            }
        )
    )
    return config


def pretend_fetched(folder: Path, config: Path) -> None:
    """Write records of all products and let Snakemake take them for made."""
    for inventory in sorted((folder / "data" / "inventory").glob("*/inventory.jsonl")):
        for product in read_inventory(inventory).products:
            record = folder / "data" / "scenes" / f"{product.name}.json"
            record.parent.mkdir(exist_ok=True)
            FetchRecord(product=product.as_row(), status="fetched", polarisations=("HH",)).write(
                record
            )
            record.with_suffix(".provenance.json").write_text("{}")
    summary = folder / "runs" / "planning" / "sentinel" / "scenes.json"
    summary.parent.mkdir(parents=True)
    for path in (summary, summary.with_suffix(".csv"), summary.with_suffix(".provenance.json")):
        path.write_text("made up")
    snakemake(folder, config, "scenes", "--cores", "1", "--touch")


def snakemake(folder: Path, config: Path, target: str, *arguments: str) -> tuple[str, str]:
    """Run Snakemake; return in words what it took, and what it says."""
    command = [
        str(Path(sys.executable).with_name("snakemake")),
        *("--snakefile", str(PROJECT / "Snakefile"), "--directory", str(folder)),
        *("--configfile", str(config), *arguments, "--", target),
    ]
    before = time.perf_counter()
    with (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - before
    text = (folder / "out.txt").read_text()
    if status:
        sys.exit(text[-3000:])
    cpu_s = usage.ru_utime + usage.ru_stime
    took = f"{elapsed:.1f} s ({cpu_s:.1f} s CPU), {usage.ru_maxrss / 1e6:.2f} GB at most"
    return took, text


def measure(scenes: int, glaciers: int) -> None:
    """Print what planning takes before and after the fetch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_project(folder, scenes, glaciers)
        for target, state in (("dataset", "to fetch"), ("scenes", "to fetch"), ("scenes", "there")):
            if state == "there":
                pretend_fetched(folder, config)
            took, text = snakemake(folder, config, target, "-n")
            jobs = len(re.findall(r"^(?:local)?rule (?:fetch|stack)_scenes?:", text, re.MULTILINE))
            print(f"{target}, {scenes} scenes {state}: {took}, {jobs} jobs fetch or stack scenes")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=9563)
    parser.add_argument("--glaciers", type=int, default=14)
    options = parser.parse_args()
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    print(f"{os.cpu_count()} cores, {soft} open files allowed; SYNTHETIC inventories")
    for scenes in (max(options.scenes // 100, options.glaciers), options.scenes):
        measure(scenes, options.glaciers)


if __name__ == "__main__":
    main()
