"""Fine-tune Tyrion for one seed."""

from pathlib import Path
from typing import Any

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.model import ModelConfig, with_given_weights
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.train.finetune import finetune
from ssl4sar.workflow.job import job


def main(
    store: Path,
    cfg: dict[str, Any],
    compute: ComputeConfig,
    seed: int,
    source: str,
    resume: Path,
    model: Path,
    metrics: Path,
    record: Path,
) -> None:
    """Train, and write the checkpoint, the table of epochs and the record of both."""
    result = finetune(
        store_path=store,
        model_config=ModelConfig.model_validate(cfg["model"]),
        training_config=TrainingConfig.model_validate(cfg["training"]),
        centre_px=cfg["prediction.centre_px"],
        sigma_px=cfg["prediction.sigma_px"],
        compute_config=compute,
        seed=seed,
        source=source,
        checkpoint_path=model,
        metrics_path=metrics,
        resume_dir=resume,
    )
    write_json(record, {"seed": seed, **result.record(), "sha256": sha256_file(model)})


if __name__ == "__main__":
    with job(snakemake):
        main(
            store=Path(snakemake.input.index).parent,
            cfg=with_given_weights(snakemake.params.cfg, snakemake.input.weights),
            # Not a parameter: where a training runs is no reason to repeat it.
            compute=ComputeConfig.of_job(snakemake.config, snakemake.threads),
            seed=int(snakemake.wildcards.seed),
            source=snakemake.params.source,
            resume=Path(snakemake.params.resume),
            model=Path(snakemake.output.model),
            metrics=Path(snakemake.output.metrics),
            record=Path(snakemake.output.record),
        )
