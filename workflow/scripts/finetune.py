"""Fine-tune Tyrion for one seed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.pretraining import starting_model
from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.train.deadline import job_end_s
from ssl4sar.train.finetune_process import finetune_as_told
from ssl4sar.train.launch import launch
from ssl4sar.workflow.job import job


def main(
    files: dict[str, Path],
    cfg: dict[str, Any],
    model: dict[str, Any],
    compute: ComputeConfig,
    seed: int,
    source: str,
    resources: Any,
    pretrained: Sequence[Path],
    record: Path,
) -> None:
    """Train, and write the checkpoint, the table of epochs and the record of both."""
    request = {
        **{name: str(path) for name, path in files.items()},
        "model": model,
        "training": cfg["training"],
        "prediction.centre_px": cfg["prediction.centre_px"],
        "prediction.sigma_px": cfg["prediction.sigma_px"],
        "compute": compute.model_dump(mode="json"),
        "seed": seed,
        "source": source,
        "scratch": resources.scratch,
        "end_s": job_end_s(resources.runtime),
    }
    facts = launch(finetune_as_told, request, compute, files["resume"])
    pretraining = json.loads(pretrained[0].read_text(encoding="utf-8")) if pretrained else None
    own = {"seed": seed, **facts, "sha256": sha256_file(files["checkpoint"])}
    write_json(record, {**own, "pretraining": pretraining})


if __name__ == "__main__":
    with job(snakemake):
        main(
            files={
                "store": Path(snakemake.input.index).parent,
                "checkpoint": Path(snakemake.output.model),
                "metrics": Path(snakemake.output.metrics),
                # Outside the outputs, which Snakemake deletes before it starts a job again.
                "resume": Path(snakemake.params.resume),
            },
            cfg=snakemake.params.cfg,
            model=starting_model(
                snakemake.params.cfg["model"],
                snakemake.wildcards.variant,
                snakemake.input.weights,
            ),
            # Not parameters: where and how long a training runs is no reason to repeat it.
            compute=ComputeConfig.of_training(snakemake.config, snakemake.threads),
            resources=snakemake.resources,
            seed=int(snakemake.wildcards.seed),
            source=snakemake.params.source,
            pretrained=[Path(path) for path in snakemake.input.pretrained],
            record=Path(snakemake.output.record),
        )
