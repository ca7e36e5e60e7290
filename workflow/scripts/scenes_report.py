"""List what was fetched and what is missing; fail if too much is missing."""

from pathlib import Path

from ssl4sar.acquire.fetch_summary import FetchSummary
from ssl4sar.core.progress import log
from ssl4sar.workflow.job import job


def main(
    records: list[Path],
    orbits: list[Path],
    left_out: list[str],
    max_missing: int,
    problems: Path,
    summary: Path,
    table: Path,
) -> None:
    """Write the list to a log, and as outputs if not too much is missing."""
    found = FetchSummary.read(records, orbits, left_out)
    log(str(found))
    found.write_table(problems)
    found.require(max_missing, problems)
    found.write_table(table)
    found.write(summary)


if __name__ == "__main__":
    with job(snakemake):
        main(
            records=[Path(path) for path in snakemake.input.scenes],
            orbits=[Path(path) for path in snakemake.input.orbits],
            left_out=snakemake.params.cfg["acquisition.leave_out"],
            max_missing=snakemake.params.cfg["acquisition.max_missing"],
            problems=Path(snakemake.log.problems),
            summary=Path(snakemake.output.summary),
            table=Path(snakemake.output.table),
        )
