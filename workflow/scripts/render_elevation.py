"""Render the elevation model of a SYNTHETIC glacier, and draw it."""

from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.providers.synthetic_raw import RawScenes
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.report.elevation import draw_elevation
from ssl4sar.workflow.job import job

if __name__ == "__main__":
    with job(snakemake):
        glacier = Glacier.from_feature(snakemake.params.glacier)
        config = PairSceneConfig.model_validate(snakemake.params.cfg["pair_scene"])
        scenes = RawScenes(config, {glacier.name: glacier})
        scenes.write_elevation(glacier.name, Path(snakemake.output.elevation))
        draw_elevation(snakemake.output.picture, snakemake.output.elevation, glacier, 480)
