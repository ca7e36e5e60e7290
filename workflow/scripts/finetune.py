"""Fine-tune a model with one seed."""

from pathlib import Path

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import seed_of
from ssl4sar.core.job_end import job_end_s
from ssl4sar.provenance.deciding import deciding_digest
from ssl4sar.train.finetune.finetune import FinetuneRequest
from ssl4sar.train.finetune.finetune_launch import finetune_and_record
from ssl4sar.workflow.job import job

if __name__ == "__main__":
    with job(snakemake):
        # Not a parameter: where and how long a training runs does not repeat it.
        compute = ComputeConfig.of_training(snakemake.config, snakemake.threads)
        cfg, model = snakemake.params.cfg, snakemake.wildcards.model
        row = {
            "network": cfg[f"models.{model}.network"],
            "weights": cfg[f"models.{model}.weights"],
            "recipe": cfg[f"models.{model}.recipe"],
        }
        request = FinetuneRequest.starting_from(
            row["network"],
            row["weights"],
            snakemake.input.weights,
            recipe=row["recipe"],
            centre_px=cfg["prediction.centre_px"],
            sigma_px=cfg["prediction.sigma_px"],
            store=Path(snakemake.input.index).parent,
            checkpoint=snakemake.output.model,
            metrics=snakemake.output.metrics,
            # Outside the outputs, which Snakemake deletes before it starts a job again.
            resume=snakemake.params.resume,
            compute=compute,
            seed=seed_of(snakemake.wildcards.member),
            # Not the parameter: that of a log line reruns the job, which then resumes.
            source=deciding_digest("ssl4sar.train.finetune.finetune", snakemake.params.modules),
            scratch=snakemake.resources.scratch,
            end_s=job_end_s(snakemake.resources.runtime, compute.max_time_min),
        )
        pretrained = next(map(Path, snakemake.input.pretrained), None)
        finetune_and_record(request, model, row, Path(snakemake.output.record), pretrained)
