"""Pretrain Tyrion on the translation from SAR to optical images."""

from pathlib import Path

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import seed_of
from ssl4sar.core.job_end import job_end_s
from ssl4sar.provenance.deciding import deciding_digest
from ssl4sar.train.pretext.pretrain import PretrainRequest
from ssl4sar.train.pretext.pretrain_launch import pretrain_and_record
from ssl4sar.workflow.job import job

if __name__ == "__main__":
    with job(snakemake):
        # Not a parameter: where and how long a training runs does not repeat it.
        compute = ComputeConfig.of_training(snakemake.config, snakemake.threads)
        cfg = snakemake.params.cfg
        request = PretrainRequest.starting_from(
            cfg["pretraining.network"],
            cfg["pretraining.weights"],
            snakemake.input.weights,
            task="opttranslator",
            recipe=cfg["opttranslator"],
            store=Path(snakemake.input.index).parent,
            checkpoint=snakemake.output.model,
            metrics=snakemake.output.metrics,
            pictures=snakemake.output.pictures,
            # Outside the outputs, which Snakemake deletes before it starts a job again.
            resume=snakemake.params.resume,
            compute=compute,
            seed=seed_of(snakemake.wildcards.member),
            # Not the parameter: that of a log line reruns the job, which then resumes.
            source=deciding_digest("ssl4sar.train.pretext.pretrain"),
            scratch=snakemake.resources.scratch,
            end_s=job_end_s(snakemake.resources.runtime, compute.max_time_min),
        )
        pretrain_and_record(request, Path(snakemake.input.manifest), Path(snakemake.output.record))
