"""Write the pretraining dataset of all glaciers."""

from pathlib import Path

from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.listing import write_listing
from ssl4sar.core.pair_layout import BENCHMARK_TEST_GLACIERS
from ssl4sar.report.dataset_card import write_dataset_card
from ssl4sar.sar.coding import GrayMapping
from ssl4sar.stack.optical import read_optical
from ssl4sar.stack.pairs import GlacierImages, PairOptions, build_pairs
from ssl4sar.stack.record import StackRecord
from ssl4sar.workflow.job import job


def main(
    stacks: list[Path], optical: list[Path], options: PairOptions, folder: Path, listing: Path
) -> None:
    """Write the dataset and list its files with their hashes."""
    # One glacier at a time: optical images of all would fill the memory.
    glaciers = (
        GlacierImages(StackRecord.read(record), record, read_optical(image))
        for record, image in zip(stacks, optical, strict=True)
    )
    with atomic_directory(folder) as root:
        write_dataset_card(build_pairs(glaciers, root, options))
    write_listing(folder, listing)


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            stacks=[Path(path) for path in snakemake.input.stacks],
            optical=[Path(path) for path in snakemake.input.optical],
            options=PairOptions(
                mapping=GrayMapping(cfg["stack.low_db"], cfg["stack.high_db"]),
                val_glaciers=tuple(cfg["stack.val_glaciers"]),
                val_fraction=cfg["stack.val_fraction"],
                leave_out_flagged=cfg["stack.leave_out_flagged"],
                apply_shift=cfg["stack.apply_shift"],
                mask_layover_shadow=cfg["stack.mask_layover_shadow"],
                allow_test_glaciers=cfg["ssl4sar.allow_test_glaciers"],
                test_glaciers=(*BENCHMARK_TEST_GLACIERS, *cfg["ssl4sar.test_glaciers"]),
            ),
            folder=Path(snakemake.output.folder),
            listing=Path(snakemake.output.listing),
        )
