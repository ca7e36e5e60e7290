"""Draw what a pretext task has learnt, and its losses."""

from pathlib import Path

from ssl4sar.report.pretext_panels import draw_panels, read_panels
from ssl4sar.report.training_curves import draw_losses, read_losses
from ssl4sar.workflow.job import job


def main(pictures: Path, metrics: Path, task: str, panels: Path, losses: Path) -> None:
    """Draw the pictures of some epochs, and the losses of all."""
    title = {"optsimmim": "OptSimMIM", "opttranslator": "OptTranslator"}[task]
    drawn = read_panels(pictures)
    draw_panels(panels, drawn, title)
    draw_losses(losses, read_losses(metrics), title, synthetic=drawn.synthetic)


if __name__ == "__main__":
    with job(snakemake):
        main(
            pictures=Path(snakemake.input.pictures),
            metrics=Path(snakemake.input.metrics),
            task=snakemake.wildcards.task,
            panels=Path(snakemake.output.panels),
            losses=Path(snakemake.output.losses),
        )
