"""Check the pairs of SAR and optical images and write their manifest."""

from pathlib import Path

from ssl4sar.core.pair_layout import all_names
from ssl4sar.core.progress import log
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs
from ssl4sar.workflow.job import job


def main(
    folder: Path, rules: PairRules, workers: int, problems: Path, report: Path, manifest: Path
) -> None:
    """Write every problem to a log, and report and manifest of a dataset without errors."""
    checked = validate_pairs(folder, rules, workers)
    checked.write(problems)
    log(checked.as_text())
    accepted = checked.checked_manifest(problems)
    checked.write(report)
    accepted.write(manifest)


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            # A listing made by the workflow is beside the folder it lists.
            folder=Path(snakemake.input.listing[0]).with_suffix("")
            if snakemake.input.listing
            else Path(cfg["ssl4sar.root"]),
            rules=PairRules(
                # The workflow itself wrote a manifest into the folder.
                "built" if cfg["ssl4sar.source"] == "sentinel" else cfg["ssl4sar.source"],
                (*cfg["ssl4sar.test_glaciers"], *all_names(cfg["caffe.test_glaciers"] or ())),
                cfg["ssl4sar.allow_test_glaciers"],
                tuple(cfg["ssl4sar.leave_out"]),
            ),
            workers=snakemake.threads,
            problems=Path(snakemake.log.problems),
            report=Path(snakemake.output.report),
            manifest=Path(snakemake.output.manifest),
        )
