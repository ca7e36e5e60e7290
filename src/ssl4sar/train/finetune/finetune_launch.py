"""Fine-tuning as the workflow asks for it: launched, and recorded beside its checkpoint.

As a program (``python -m ... REQUEST.json``) it is one of the processes that share a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.train.finetune.finetune import FinetuneRequest, finetune
from ssl4sar.train.operations.launch import launch, serve
from ssl4sar.train.operations.team import Team

#: Shape of the record beside the checkpoint.
SCHEMA: Final = "ssl4sar.trained-model/2"


def finetune_and_record(
    request: FinetuneRequest,
    model: str,
    row: Mapping[str, Any],
    record: Path,
    pretrained: Path | None,
) -> None:
    """Fine-tune, and write the checkpoint, the table of epochs and the record of both.

    Args:
        request: what to train, and where.
        model: name of the model.
        row: its ``network``, ``weights`` and whole ``recipe``.
        record: facts to write.
        pretrained: record of the pretraining that made the starting weights; None: none did.

    Raises:
        UserError: see ``finetune``; or the record of the pretraining is damaged or not that of
            the starting weights.
    """
    pretraining = None
    if pretrained is not None:
        pretraining = _pretraining(pretrained, str(request.weights.file))
    facts = launch(train, request.model_dump(mode="json"), request.compute, request.resume)
    own = {"schema": SCHEMA, "model": model, **row, "seed": request.seed, **facts}
    sha256 = sha256_file(request.checkpoint)
    write_json(record, {**own, "sha256": sha256, "pretraining": pretraining})


def _pretraining(path: Path, weights: str) -> dict[str, Any]:
    """Return the record of a pretraining; refuse that of other weights before the training."""
    again = "rerun the pretraining"
    try:
        record = read_json(path)
        recorded = record["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"the record of the pretraining cannot be read ({error})"
        raise UserError(path, problem, again) from error
    # A file that is not there is reported when the weights are loaded.
    if Path(weights).is_file() and recorded != sha256_file(weights):
        raise UserError(path, f"the record is not that of {weights}", again)
    return dict(record)


def train(request: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """Fine-tune as one process of a team; return the facts that equal trainings share."""
    return finetune(FinetuneRequest.model_validate(request), team).record


if __name__ == "__main__":
    serve(train)
