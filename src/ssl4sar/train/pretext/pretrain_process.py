"""Pretraining as a program: one process of those that share it.

``python -m ssl4sar.train.pretext.pretrain_process REQUEST.json``, called by
``ssl4sar.train.operations.launch``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.train.loop.run import Runtime
from ssl4sar.train.operations.launch import serve
from ssl4sar.train.operations.team import Team
from ssl4sar.train.pretext.pretrain import PretrainOutputs, pretrain, recipe_of


def pretrain_from_request(request: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """Pretrain, and return the facts that equal trainings share.

    Args:
        request: the arguments of ``pretrain`` as JSON values: paths as texts, configurations as
            mappings.
        team: place of this process.

    Raises:
        UserError: see ``pretrain``.
    """
    result = pretrain(
        task=request["task"],
        store_path=Path(request["store"]),
        settings=TyrionConfig.model_validate(request["network"]),
        weights=StartingWeights.model_validate(request["weights"]),
        recipe=recipe_of(request["task"], request["recipe"]),
        seed=request["seed"],
        source=request["source"],
        outputs=PretrainOutputs(
            Path(request["checkpoint"]), Path(request["metrics"]), Path(request["pictures"])
        ),
        runtime=Runtime(
            compute=ComputeConfig.model_validate(request["compute"]),
            resume_dir=Path(request["resume"]),
            scratch=request["scratch"],
            end_s=request["end_s"],
            team=team,
        ),
    )
    return result.record()


if __name__ == "__main__":
    serve(pretrain_from_request)
