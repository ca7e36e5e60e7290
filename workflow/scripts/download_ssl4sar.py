"""Download the archives of the SSL4SAR dataset."""

from pathlib import Path
from typing import Any

from ssl4sar.acquire.zenodo import fetch_archives
from ssl4sar.core.atomic import write_json
from ssl4sar.workflow.job import job


def main(cfg: dict[str, Any], archives: Path, record: Path) -> None:
    """Download all archives of the record and freeze what it said."""
    write_json(record, fetch_archives(cfg["ssl4sar.record_url"], archives))


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            archives=Path(snakemake.output.archives),
            record=Path(snakemake.output.record),
        )
