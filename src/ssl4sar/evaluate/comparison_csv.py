"""The comparison of starting points as a table, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.atomic import write_text
from ssl4sar.evaluate.comparison_schema import validate_comparison

COLUMNS: Final = (
    "variant",
    "seed",
    "mde_m",
    "iou_pooled",
    "no_front",
    "images",
    "synthetic",
    "comparable_with_published",
    "pretraining_sha256",
    "pretraining_saw_test_glaciers",
)


def write_comparison_csv(path: str | Path, comparison: Mapping[str, Any]) -> None:
    """Write one row per starting point and run, atomically; what does not exist is an empty cell.

    Args:
        path: CSV file.
        comparison: content of the comparison file.

    Raises:
        UserError: ``comparison`` is not of its schema, or the file cannot be written.
    """
    content = validate_comparison(dict(comparison))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for name, point in content.variants.items():
        pretraining = point.pretraining
        for run in point.runs:
            writer.writerow(
                {
                    "variant": name,
                    "seed": run.seed,
                    "mde_m": run.mde_m,
                    "iou_pooled": run.iou_pooled,
                    "no_front": run.no_front,
                    "images": content.images,
                    "synthetic": int(content.dataset.synthetic),
                    "comparable_with_published": int(content.dataset.comparable_with_published),
                    "pretraining_sha256": run.pretraining_sha256,
                    "pretraining_saw_test_glaciers": (
                        None if pretraining is None else int(pretraining.saw_test_glaciers)
                    ),
                }
            )
    write_text(path, stream.getvalue())
