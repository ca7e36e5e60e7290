"""Free space on a disk, asked for before work that needs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ssl4sar.core.errors import UserError


def free_bytes(path: str | Path) -> int:
    """Return the free space where a file or folder is or would be made."""
    path = Path(path).absolute()
    return shutil.disk_usage(next(each for each in (path, *path.parents) if each.is_dir())).free


def require_space(path: str | Path, needed_bytes: int, doing: str = "to come") -> None:
    """Require free space: said before the work, not after hours of it.

    Args:
        path: file or folder that is to be made.
        needed_bytes: what will be written.
        doing: what is done with them, as in "1.5 GB are to come".

    Raises:
        UserError: the disk has less.
    """
    free = free_bytes(path)
    if needed_bytes > free:
        raise UserError(
            path,
            f"{needed_bytes / 1e9:.2f} GB are {doing}, {free / 1e9:.2f} GB are free on the disk",
            "free some space and rerun",
        )
