"""Scores of one run between the jobs that make them and the one that gathers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.evaluate.scoring import ImageScore

SCORES_SCHEMA: Final = "ssl4sar.image-scores/2"
BASELINES_SCHEMA: Final = "ssl4sar.baseline-scores/1"


@dataclass(frozen=True)
class BaselineScores:
    """Scores of a prediction that was not learned.

    Attributes:
        title: what was predicted, in words.
        scores: per image, in the order of the names.
    """

    title: str
    scores: list[ImageScore]


def write_scores(path: str | Path, member: str, scores: Sequence[ImageScore]) -> None:
    """Write the scores of one member of a model, atomically."""
    write_json(
        path,
        {
            "schema": SCORES_SCHEMA,
            "member": member,
            "images": [score.to_json() for score in scores],
        },
    )


def read_scores(path: str | Path) -> tuple[str, list[ImageScore]]:
    """Read the name of the member and its scores.

    Raises:
        UserError: missing, damaged, or of another schema.
    """
    content = _read(path, SCORES_SCHEMA)
    try:
        return str(content["member"]), [ImageScore.from_json(item) for item in content["images"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error


def write_baselines(path: str | Path, baselines: Mapping[str, BaselineScores]) -> None:
    """Write the scores of the baselines, atomically."""
    entries = {
        key: {"title": baseline.title, "images": [score.to_json() for score in baseline.scores]}
        for key, baseline in baselines.items()
    }
    write_json(path, {"schema": BASELINES_SCHEMA, "baselines": entries})


def read_baselines(path: str | Path) -> dict[str, BaselineScores]:
    """Read the scores of the baselines.

    Raises:
        UserError: missing, damaged, or of another schema.
    """
    content = _read(path, BASELINES_SCHEMA)
    try:
        return {
            key: BaselineScores(
                str(entry["title"]), [ImageScore.from_json(item) for item in entry["images"]]
            )
            for key, entry in content["baselines"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error


def _read(path: str | Path, schema: str) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise UserError(path, f"the file is not of schema {schema}", "remove it and rerun")
    return content


def _damaged(path: str | Path, error: Exception) -> UserError:
    return UserError(path, f"the scores cannot be read ({error})", "remove the file and rerun")
