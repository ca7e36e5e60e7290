"""Pretraining as the workflow asks for it: launched, and recorded beside its checkpoint.

As a program (``python -m ... REQUEST.json``) it is one of the processes that share a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.train.operations.launch import launch, serve
from ssl4sar.train.operations.team import Team
from ssl4sar.train.pretext.pretrain import PretrainRequest, pretrain


def pretrain_and_record(request: PretrainRequest, manifest: Path, record: Path) -> None:
    """Pretrain, and write the checkpoint, the table of epochs, the pictures and their record.

    Args:
        request: what to train, and where.
        manifest: manifest of the dataset.
        record: facts to write.

    Raises:
        UserError: see ``pretrain``; or the manifest is damaged.
    """
    dataset = PairManifest.read(manifest)
    facts = launch(train, request.model_dump(mode="json"), request.compute, request.resume)
    own = {"seed": request.seed, **facts, "sha256": sha256_file(request.checkpoint)}
    write_json(record, {**own, "dataset": dataset.facts()})


def train(request: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """Pretrain as one process of a team; return the facts that equal trainings share."""
    return pretrain(PretrainRequest.model_validate(request), team).record


if __name__ == "__main__":
    serve(train)
