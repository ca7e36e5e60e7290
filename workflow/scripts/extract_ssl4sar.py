"""Extract the archives of the SSL4SAR dataset and list what came out."""

from pathlib import Path

from ssl4sar.acquire.ssl4sar import extract_ssl4sar
from ssl4sar.acquire.zenodo import archive_names
from ssl4sar.core.listing import write_listing
from ssl4sar.workflow.job import job


def main(record: Path, archives: Path, folder: Path, listing: Path) -> None:
    """Extract into the published layout, and list the files with their hashes."""
    extract_ssl4sar([archives / name for name in archive_names(record)], folder)
    write_listing(folder, listing)


if __name__ == "__main__":
    with job(snakemake):
        main(
            record=Path(snakemake.input.record),
            archives=Path(snakemake.input.archives),
            folder=Path(snakemake.output.folder),
            listing=Path(snakemake.output.listing),
        )
