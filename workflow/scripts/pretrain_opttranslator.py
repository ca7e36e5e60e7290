"""Pretrain Tyrion on the translation from SAR to optical images."""

from pathlib import Path

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.pretraining import starting_model
from ssl4sar.core.job_end import job_end_s
from ssl4sar.provenance.deciding import deciding_digest
from ssl4sar.train.pretext.pretrain_launch import PretrainFiles, pretrain_and_record
from ssl4sar.workflow.job import job

if __name__ == "__main__":
    with job(snakemake):
        # No parameter: where and how long a training runs is no reason to repeat it.
        compute = ComputeConfig.of_training(snakemake.config, snakemake.threads)
        weights = snakemake.input.weights
        pretrain_and_record(
            "opttranslator",
            files=PretrainFiles(
                store=Path(snakemake.input.index).parent,
                manifest=Path(snakemake.input.manifest),
                checkpoint=Path(snakemake.output.model),
                metrics=Path(snakemake.output.metrics),
                pictures=Path(snakemake.output.pictures),
                record=Path(snakemake.output.record),
                # Outside the outputs, which Snakemake deletes before it starts a job again.
                resume=Path(snakemake.params.resume),
            ),
            model=starting_model(
                snakemake.params.cfg["model"], "checkpoint" if weights else "none", weights
            ),
            recipe=snakemake.params.cfg["opttranslator"],
            compute=compute,
            seed=int(snakemake.wildcards.seed),
            # Not the parameter: that of a log line reruns the job, which then goes on.
            source=deciding_digest("ssl4sar.train.pretext.pretrain"),
            scratch=snakemake.resources.scratch,
            end_s=job_end_s(snakemake.resources.runtime, compute.max_time_min),
        )
