"""Measure the shift of every scene of a glacier against its track, and list the scenes."""

from pathlib import Path
from typing import Any

from ssl4sar.core.progress import log
from ssl4sar.report.coregistration import draw_coregistration, draw_quick_looks
from ssl4sar.sar.coding import GrayMapping
from ssl4sar.stack.coregistration import (
    check_coregistration,
    largest_track,
    stable_terrain,
    track_median,
    write_shift_table,
)
from ssl4sar.stack.optical import read_optical
from ssl4sar.stack.record import image_path, merge_stacks
from ssl4sar.stack.stac import write_stac
from ssl4sar.workflow.job import job

#: Near infrared: rock, snow and water differ most in it.
BAND = "B8"


def main(
    batches: list[Path], optical: Path, mapping: GrayMapping, workers: int, output: Any
) -> None:
    """Write the record of all batches with their shifts, a table, STAC items and pictures."""
    record, stac = Path(output.record), Path(output.stac)
    bands = read_optical(optical)
    stable = stable_terrain(bands.sel(band="SCL").values)
    stack = check_coregistration(
        merge_stacks(batches, record), record, stable, bands.sel(band=BAND).values, workers
    )
    stack.write(record)
    write_shift_table(stack, output.table)
    stac.mkdir(parents=True, exist_ok=True)
    write_stac(stack, record, stac, mapping)
    images = [image_path(record, scene) for scene in largest_track(stack)]
    draw_coregistration(output.shifts, stack, track_median(images, stack.pixels, workers), stable)
    draw_quick_looks(output.scenes, stack, record, mapping)
    shifts = [scene.shift for scene in stack.usable if scene.shift is not None]
    measured = [shift for shift in shifts if shift.x_px is not None]
    flagged = sum(shift.problem is not None for shift in measured)
    counts = f"{len(stack.usable)} of {len(stack.scenes)} scenes have an image"
    log(f"{stack.glacier}: {counts}; {len(measured)} shifts measured, {flagged} beyond the limits")


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            batches=[Path(path) for path in snakemake.input.batches],
            optical=Path(snakemake.input.optical),
            mapping=GrayMapping(cfg["stack.low_db"], cfg["stack.high_db"]),
            workers=snakemake.threads,
            output=snakemake.output,
        )
