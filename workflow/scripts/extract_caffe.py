"""Extract the official CaFFe archive and list what came out."""

from pathlib import Path

from ssl4sar.acquire.extract import extract_archive
from ssl4sar.core.listing import write_listing
from ssl4sar.workflow.job import job


def main(archive: Path, folder: Path, listing: Path) -> None:
    """Extract, and list the files with their hashes."""
    extract_archive(archive, folder)
    write_listing(folder, listing)


if __name__ == "__main__":
    with job(snakemake):
        main(
            archive=Path(snakemake.input.archive),
            folder=Path(snakemake.output.folder),
            listing=Path(snakemake.output.listing),
        )
