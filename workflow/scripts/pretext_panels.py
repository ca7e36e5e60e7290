"""Draw what a pretext task has learnt."""

from pathlib import Path

from ssl4sar.report.pretext_panels import draw_panels, read_panels
from ssl4sar.workflow.job import job


def main(pictures: Path, task: str, panels: Path) -> None:
    """Draw the pictures of all epochs."""
    title = {"optsimmim": "OptSimMIM", "opttranslator": "OptTranslator"}[task]
    draw_panels(panels, read_panels(pictures), title)


if __name__ == "__main__":
    with job(snakemake):
        main(
            pictures=Path(snakemake.input.pictures),
            task=snakemake.wildcards.task,
            panels=Path(snakemake.output.panels),
        )
