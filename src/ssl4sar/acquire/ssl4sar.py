"""Extracting the archives of the SSL4SAR dataset into the published layout."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from ssl4sar.acquire.extract import extract_archive
from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.errors import UserError
from ssl4sar.core.named_files import is_visible
from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS
from ssl4sar.core.progress import log

LAYOUT: Final = (*SAR_FOLDERS.values(), OPTICAL_FOLDER)
_NAMES_TOLD: Final = 5
_FIX: Final = (
    "arrange the images by hand as docs/data.md shows and use them with ssl4sar.source local"
)


def extract_ssl4sar(archives: Sequence[str | Path], target: str | Path) -> None:
    """Extract archives into one folder in the published layout, complete or not at all.

    An image goes to the folder of the layout that it is in within its archive, however deep, or
    else to the one that the archive is named for. Other files have the path of the archive.

    Args:
        archives: zip or tar files.
        target: folder of the dataset; an older one is replaced.

    Raises:
        UserError: an archive is damaged or not safe, two of them hold the same file, a folder of
            the layout got no file, or the disk is too small.
    """
    with atomic_directory(target) as root:
        for archive in map(Path, archives):
            extracted = root / ".extracted"
            out = map(PurePosixPath, extract_archive(archive, extracted))
            names = [name for name in out if all(map(is_visible, name.parts))]
            # Beside folders of the layout, what is outside of them is not an image.
            in_folders = any(_folder(name) for name in names)
            meant = None if in_folders else _folder_meant(archive.name)
            for name in names:
                folder = _folder(name) or meant
                place = name if folder is None else PurePosixPath(folder, name.name)
                _move(extracted / name, root, place, archive)
            shutil.rmtree(extracted)
        missing = [kind for kind in LAYOUT if not (root / kind).is_dir()]
        if missing:
            found = sorted(path.name for path in root.iterdir())
            raise UserError(
                ", ".join(Path(archive).name for archive in archives),
                f"nothing in these archives belongs to {', '.join(missing)}; "
                f"they hold {', '.join(found[:_NAMES_TOLD]) or 'no data'}",
                _FIX,
            )
        for kind in LAYOUT:
            log(f"{kind}: {sum(1 for _ in (root / kind).iterdir())} files")


def _folder(name: PurePosixPath) -> str | None:
    """Return the folder of the layout that a file is in; the innermost counts."""
    return next((parent for parent in reversed(name.parts[:-1]) if parent in LAYOUT), None)


def _folder_meant(archive: str) -> str | None:
    return next((folder for folder in LAYOUT if archive.startswith(folder)), None)


def _move(file: Path, root: Path, place: PurePosixPath, archive: Path) -> None:
    new = root.joinpath(*place.parts)
    if new.exists():
        raise UserError(archive, f"{place} is there twice", _FIX)
    new.parent.mkdir(parents=True, exist_ok=True)
    file.replace(new)
