"""Fine-tuning as a program: one process of those that share it.

``python -m ssl4sar.train.finetune.finetune_process REQUEST.json``, called by
``ssl4sar.train.operations.launch``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import network_settings
from ssl4sar.config.training import TrainingConfig
from ssl4sar.train.finetune.finetune import finetune
from ssl4sar.train.operations.launch import serve
from ssl4sar.train.operations.team import Team


def finetune_from_request(request: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """Fine-tune, and return the facts that equal trainings share.

    Args:
        request: the arguments of ``finetune`` as JSON values: paths as texts, configurations as
            mappings.
        team: place of this process.

    Raises:
        UserError: see ``finetune``.
    """
    result = finetune(
        store_path=Path(request["store"]),
        settings=network_settings(request["network"]),
        weights=StartingWeights.model_validate(request["weights"]),
        training_config=TrainingConfig.model_validate(request["training"]),
        centre_px=request["prediction.centre_px"],
        sigma_px=request["prediction.sigma_px"],
        compute_config=ComputeConfig.model_validate(request["compute"]),
        seed=request["seed"],
        source=request["source"],
        checkpoint_path=Path(request["checkpoint"]),
        metrics_path=Path(request["metrics"]),
        resume_dir=Path(request["resume"]),
        scratch=request["scratch"],
        end_s=request["end_s"],
        team=team,
    )
    return result.record()


if __name__ == "__main__":
    serve(finetune_from_request)
