"""Draw what a pretext task has learnt."""

from pathlib import Path

from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.report.pretext_panels import draw_panels, read_panels
from ssl4sar.workflow.job import job


def main(pictures: Path, task: str, manifest: PairManifest, panels: Path) -> None:
    """Draw the pictures of all epochs."""
    title = {"optsimmim": "OptSimMIM", "opttranslator": "OptTranslator"}[task]
    draw_panels(panels, read_panels(pictures), title, synthetic=manifest.synthetic)


if __name__ == "__main__":
    with job(snakemake):
        main(
            pictures=Path(snakemake.input.pictures),
            task=snakemake.wildcards.task,
            manifest=PairManifest.read(snakemake.input.manifest),
            panels=Path(snakemake.output.panels),
        )
