"""The resume folder of a training: what is in it, whose it is, and where to resume.

It holds the state of the running training and its log. The state of another training (another
recipe, seed, dataset or code) moves to ``superseded-<fingerprint>/`` beside it and comes back when
that training is asked for again. Of such folders the newest two stay, and the one that is
furthest: a few short tries must not cost the state of weeks. Checkpoints move last into such a
folder and first out of it, so that a process that is killed in between leaves the owner known.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log
from ssl4sar.models.checkpoint import read_torch_file

LAST: Final = "last.ckpt"
PREVIOUS: Final = "previous.ckpt"
UPCOMING: Final = "upcoming.ckpt"
BEST_FILES: Final = "best_*-epoch*.pt"
TENSORBOARD: Final = "tensorboard"
PICTURES: Final = "pictures"
PICTURES_SO_FAR: Final = f"{PICTURES}.npz"
#: Key of a checkpoint under which :func:`claim` finds what it asks for.
OWN_KEY: Final = "ssl4sar"
_SUPERSEDED: Final = "superseded-"
_SUPERSEDED_LEFT: Final = 2
_DIGITS: Final = 8
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class ResumePoint:
    """Where an interrupted training resumes.

    Attributes:
        path: intact checkpoint.
        epochs_done: finished epochs.
        step: optimiser steps done.
        fingerprint: fingerprint of the training that wrote it.
    """

    path: Path
    epochs_done: int
    step: int
    fingerprint: str


def claim(folder: Path, fingerprint: str) -> ResumePoint | None:
    """Make a resume folder that of one training, and return where that resumes.

    Args:
        folder: resume folder; may be missing.
        fingerprint: fingerprint of the training that begins.

    Returns:
        Its newest intact checkpoint; None: it starts again, in a folder without state.
    """
    point = _newest(folder)
    if point is None:
        _leave(folder)
    elif point.fingerprint != fingerprint:
        aside = _set_aside(folder, point.fingerprint)
        log(
            "configuration, seed, data or code have changed: the state after epoch "
            f"{point.epochs_done} is in {aside} now; put the change back to resume it"
        )
        point = None
    if _take_back(folder, fingerprint):
        point = _newest(folder)
        if point is None:
            _leave(folder)
    _prune(folder)
    return point


def _newest(folder: Path) -> ResumePoint | None:
    """Return the newest intact checkpoint, and log why others are not."""
    for path in _checkpoints(folder):
        try:
            content = read_torch_file(path)
        except UserError as error:
            log(f"cannot resume from {path}: {error.problem}")
            continue
        own = content.get(OWN_KEY) if isinstance(content, dict) else None
        if isinstance(own, dict) and own.keys() == {"fingerprint", "epochs_done", "step"}:
            return ResumePoint(path, **own)
        log(f"cannot resume from {path}: it is not a checkpoint of a training")
    return None


def _leave(folder: Path) -> None:
    """Make room where nothing can be resumed from."""
    if _checkpoints(folder):
        log(f"starting again; what cannot be resumed from is in {_set_aside(folder, _UNKNOWN)}")
        return
    # A first epoch that was never finished.
    for path in (folder / UPCOMING, *_parts(folder)):
        _remove(path)


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints that are there, newest first."""
    return [path for path in (folder / LAST, folder / PREVIOUS) if path.exists()]


def _parts(folder: Path) -> list[Path]:
    """Return the state of a training in a folder, its checkpoints last."""
    best = sorted(folder.glob(BEST_FILES))
    names = (TENSORBOARD, PICTURES, PICTURES_SO_FAR)
    others = [path for name in names if (path := folder / name).exists()]
    return [*best, *others, *reversed(_checkpoints(folder))]


def _set_aside(folder: Path, fingerprint: str) -> Path:
    (folder / UPCOMING).unlink(missing_ok=True)
    target = _superseded(folder, fingerprint)
    target.mkdir(exist_ok=True)
    for path in _parts(folder):
        _move(path, target)
    target.touch()
    return target


def _prune(folder: Path) -> None:
    """Remove superseded states: after the one that is asked for was taken back."""
    found = sorted(folder.glob(f"{_SUPERSEDED}*"), key=lambda path: path.stat().st_mtime_ns)
    older = found[:-_SUPERSEDED_LEFT]
    if not older:
        return
    furthest = max(reversed(found), key=_epochs_done)
    for outdated in older:
        if outdated == furthest:
            continue
        log(
            f"removing {outdated}: the newest {_SUPERSEDED_LEFT} of its kind stay, and the "
            "one with the most epochs"
        )
        for path in (*_checkpoints(outdated), outdated):
            _remove(path)


def _epochs_done(folder: Path) -> int:
    point = _newest(folder)
    return 0 if point is None else point.epochs_done


def _take_back(folder: Path, fingerprint: str) -> bool:
    source = _superseded(folder, fingerprint)
    if not source.is_dir():
        return False
    log(f"taking back {source}")
    for path in reversed(_parts(source)):
        _move(path, folder)
    shutil.rmtree(source)
    return True


def _superseded(folder: Path, fingerprint: str) -> Path:
    return folder / f"{_SUPERSEDED}{fingerprint[:_DIGITS]}"


def _move(path: Path, folder: Path) -> None:
    _remove(folder / path.name)
    path.rename(folder / path.name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
