"""Predict the zones of the test scenes with one trained network."""

from pathlib import Path
from typing import Any

import torch

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.models.checkpoint import load_network
from ssl4sar.models.device import resolve_device
from ssl4sar.predict.tree import predict_tree
from ssl4sar.workflow.job import job


def main(
    model: Path,
    manifest: TreeManifest,
    cfg: dict[str, Any],
    compute: ComputeConfig,
    zones: Path,
    probabilities: Path,
    record: Path,
) -> None:
    """Predict, and write zone maps, probabilities and the record of their hashes."""
    device = resolve_device(compute.device)
    torch.set_num_threads(compute.train_threads)
    network, info = load_network(model, device)
    predictions = predict_tree(
        network.eval(),
        manifest.tree,
        "test",
        manifest.scenes["test"],
        zones,
        probabilities,
        PredictionConfig.model_validate(cfg["prediction"]),
        device,
        {"model_sha256": sha256_file(model), **info},
        manifest.grids,
    )
    write_json(record, {**predictions, "probabilities_sha256": sha256_file(probabilities)})


if __name__ == "__main__":
    with job(snakemake):
        main(
            model=Path(snakemake.input.model),
            manifest=TreeManifest.read(snakemake.input.manifest),
            cfg=snakemake.params.cfg,
            compute=ComputeConfig.of_job(snakemake.config, snakemake.threads),
            zones=Path(snakemake.output.zones),
            probabilities=Path(snakemake.output.probabilities),
            record=Path(snakemake.output.record),
        )
