"""Download the official CaFFe archive."""

from pathlib import Path
from typing import Any

from ssl4sar.acquire.network.download import download
from ssl4sar.core.hashing import Checksum
from ssl4sar.workflow.job import job


def main(cfg: dict[str, Any], archive: Path, record: Path) -> None:
    """Download and record address, size and hash."""
    sha256 = cfg["caffe.sha256"]
    done = download(cfg["caffe.url"], archive, Checksum("sha256", sha256) if sha256 else None)
    done.write(record)


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            archive=Path(snakemake.output.archive),
            record=Path(snakemake.output.record),
        )
