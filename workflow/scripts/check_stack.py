"""Measure the shift of every scene of a glacier against its track, and list the scenes."""

from pathlib import Path
from typing import Any

from ssl4sar.core.progress import log
from ssl4sar.report.stack_pictures import draw_stack
from ssl4sar.sar.coding import GrayMapping
from ssl4sar.stack.coregistration import (
    check_coregistration,
    shift_summary,
    stable_terrain,
    write_shift_table,
)
from ssl4sar.stack.optical import read_optical
from ssl4sar.stack.record import merge_stacks
from ssl4sar.stack.stac import write_stac
from ssl4sar.workflow.job import job

#: Near infrared: rock, snow and water differ most in it.
BAND = "B8"


def main(
    glacier: str,
    batches: list[Path],
    optical: Path,
    raw: Path,
    elevation: Path,
    mapping: GrayMapping,
    workers: int,
    output: Any,
) -> None:
    """Write the record of all batches with their shifts, a table, STAC items and pictures."""
    record, stac = Path(output.record), Path(output.stac)
    bands = read_optical(optical)
    stable = stable_terrain(bands.sel(band="SCL").values)
    merged = merge_stacks(batches, glacier, record)
    stack = check_coregistration(merged, record, stable, bands.sel(band=BAND).values, workers)
    stack.write(record)
    write_shift_table(stack, output.table)
    stac.mkdir(parents=True, exist_ok=True)
    write_stac(stack, record, stac, mapping)
    draw_stack(dict(output.items()), stack, record, bands, stable, raw, elevation, mapping, workers)
    log(shift_summary(stack))


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            glacier=snakemake.wildcards.glacier,
            batches=[Path(path) for path in snakemake.input.batches],
            optical=Path(snakemake.input.optical),
            raw=Path(snakemake.input.drawn[0]),
            elevation=Path(snakemake.input.elevation),
            mapping=GrayMapping(cfg["stack.low_db"], cfg["stack.high_db"]),
            workers=snakemake.threads,
            output=snakemake.output,
        )
