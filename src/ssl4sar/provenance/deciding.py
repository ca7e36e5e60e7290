"""The digest of the code that decides the numbers of a training.

A training of days must outlive an update that fixes a log line, a deadline or the start of
processes. Its resume state therefore depends on this digest, not on the source digest of its rule:
an update of the modules named here may start the job again, which then resumes, or only exports.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssl4sar.provenance.digest import SURROUNDINGS, digest_of, meanings, source_files
from ssl4sar.provenance.sources import PACKAGE

#: Modules that a training reaches and that decide none of its numbers. Whoever adds one says so
#: here; all others count. Blocks of the configuration only carry values, which count themselves.
OPERATIONAL: Final = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        "config.block",
        "config.compute",
        "config.models",
        "config.prediction",
        "config.pretext",
        "config.recipe",
        "config.training",
        "core.hashing",
        "dataset.staging",
        "models.device",
        "train.loop.deadline",
        "train.pretext.pretrain_pictures",
        "train.loop.progress_lines",
        "train.operations.request",
        "train.operations.resume_folder",
        "train.operations.stopping",
        "train.operations.team",
        "train.operations.team_in_lightning",
    )
)
_SOURCE_ROOT: Final = Path(__file__).resolve().parents[2]


def deciding_digest(
    training: str, modules: Sequence[str] = (), source_root: Path = _SOURCE_ROOT
) -> str:
    """Return the SHA-256 over a training and the modules it reaches that decide its numbers.

    Args:
        training: dotted name of the module of the training.
        modules: modules that it imports by name alone: that of its network.
        source_root: folder that holds the package ``ssl4sar``.
    """
    return digest_of(meanings(deciding_files(training, modules, source_root)))


def deciding_files(
    training: str, modules: Sequence[str] = (), source_root: Path = _SOURCE_ROOT
) -> dict[str, Path]:
    """Return the files that :func:`deciding_digest` covers, by name.

    Args:
        training: dotted name of the module of the training.
        modules: modules that it imports by name alone: that of its network.
        source_root: folder that holds the package ``ssl4sar``.
    """
    path = source_root.joinpath(*training.split(".")).with_suffix(".py")
    return source_files(path, source_root, (*SURROUNDINGS, *OPERATIONAL), modules)
