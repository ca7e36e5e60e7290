"""Fetch the ImageNet weights."""

from pathlib import Path
from typing import Any

from ssl4sar.acquire.weights import fetch_weights
from ssl4sar.workflow.job import job


def main(cfg: dict[str, Any], weights: Path, record: Path) -> None:
    """Fetch and record address, commit, size and hash."""
    done = fetch_weights(cfg["weights.url"], weights, cfg["weights.sha256"])
    done.write(record)


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            weights=Path(snakemake.output.weights),
            record=Path(snakemake.output.record),
        )
