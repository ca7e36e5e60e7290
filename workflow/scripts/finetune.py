"""Fine-tune a model with one seed."""

from pathlib import Path

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import seed_of
from ssl4sar.core.job_end import job_end_s
from ssl4sar.provenance.deciding import deciding_digest
from ssl4sar.train.finetune.finetune_launch import FinetuneFiles, finetune_and_record
from ssl4sar.workflow.job import job

if __name__ == "__main__":
    with job(snakemake):
        # Not a parameter: where and how long a training runs does not repeat it.
        compute = ComputeConfig.of_training(snakemake.config, snakemake.threads)
        cfg, model = snakemake.params.cfg, snakemake.wildcards.model
        pretrained = [Path(path) for path in snakemake.input.pretrained]
        finetune_and_record(
            files=FinetuneFiles(
                store=Path(snakemake.input.index).parent,
                pretrained=pretrained[0] if pretrained else None,
                checkpoint=Path(snakemake.output.model),
                metrics=Path(snakemake.output.metrics),
                record=Path(snakemake.output.record),
                # Outside the outputs, which Snakemake deletes before it starts a job again.
                resume=Path(snakemake.params.resume),
            ),
            model=model,
            row={
                "network": cfg[f"models.{model}.network"],
                "weights": cfg[f"models.{model}.weights"],
                "recipe": cfg[f"models.{model}.recipe"],
            },
            windows={
                "prediction.centre_px": cfg["prediction.centre_px"],
                "prediction.sigma_px": cfg["prediction.sigma_px"],
            },
            weights_files=snakemake.input.weights,
            compute=compute,
            seed=seed_of(snakemake.wildcards.member),
            # Not the parameter: that of a log line reruns the job, which then resumes.
            source=deciding_digest("ssl4sar.train.finetune.finetune", snakemake.params.modules),
            scratch=snakemake.resources.scratch,
            end_s=job_end_s(snakemake.resources.runtime, compute.max_time_min),
        )
