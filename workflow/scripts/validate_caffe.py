"""Check a CaFFe tree and write its manifest."""

from collections.abc import Sequence
from pathlib import Path

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.core.progress import log
from ssl4sar.dataset.manifest import Source, build_manifest
from ssl4sar.dataset.validation import validate_tree
from ssl4sar.workflow.job import job


def main(
    folder: Path,
    source: Source,
    test_glaciers: Sequence[str] | None,
    workers: int,
    problems: Path,
    report: Path,
    manifest: Path,
) -> None:
    """Write every problem to a log, and report and manifest of a tree without errors."""
    checked = validate_tree(find_caffe_root(folder), workers, test_glaciers)
    if source == "pangaea":
        checked = checked.as_official()
    if source == "local" or test_glaciers is not None:
        log(checked.split_line())
    checked.write(problems)
    log(checked.as_text())
    checked.raise_if_bad(problems)
    checked.write(report)
    build_manifest(
        checked.root,
        source,
        None,
        checked.scenes,
        checked.sizes_px,
        checked.files,
        checked.grids,
        test_glaciers,
    ).write(manifest)


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            # A listing made by the workflow is beside the folder it lists.
            folder=Path(snakemake.input.listing[0]).with_suffix("")
            if snakemake.input.listing
            else Path(cfg["caffe.root"]),
            source=cfg["caffe.source"],
            test_glaciers=cfg["caffe.test_glaciers"],
            workers=snakemake.threads,
            problems=Path(snakemake.log.problems),
            report=Path(snakemake.output.report),
            manifest=Path(snakemake.output.manifest),
        )
