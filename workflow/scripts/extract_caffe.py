"""Extract the official CaFFe archive and list what came out."""

from pathlib import Path

from ssl4sar.acquire.extract import extract_zip
from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.workflow.job import job


def main(archive: Path, folder: Path, listing: Path) -> None:
    """Extract, and list the files with their hashes."""
    extract_zip(archive, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_json(listing, {path.relative_to(folder).as_posix(): sha256_file(path) for path in files})


if __name__ == "__main__":
    with job(snakemake):
        main(
            archive=Path(snakemake.input.archive),
            folder=Path(snakemake.output.folder),
            listing=Path(snakemake.output.listing),
        )
