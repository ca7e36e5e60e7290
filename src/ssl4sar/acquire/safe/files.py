"""Taking over a product in SAFE format from another folder: linked or copied, and verified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssl4sar.acquire.extract import open_zip
from ssl4sar.acquire.product import Mission
from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.acquire.safe.manifest import MANIFEST_NAME, needed_files, read_manifest
from ssl4sar.acquire.safe.verification import DamagedProductError, file_problem, verify_product
from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log, track

_REPLACE: Final = "replace it at its source, then refresh the inventory"


def take_folder(source: Path, target: Path, mission: Mission, selection: Selection) -> Path:
    """Take over the needed files of a folder ``NAME.SAFE``.

    Returns:
        ``target``.

    Raises:
        MissingProductError: a needed file is missing, or is not that of the manifest.
        UserError: the disk is full or the target cannot be written.
    """
    with _broken_at_source(source):
        listed = read_manifest(source / MANIFEST_NAME)
        files = needed_files(listed, mission, selection, source)
    for file in track(files, f"taking over {source.name}"):
        origin = source / file.path
        if not origin.is_file():
            raise MissingProductError(source, f"{file.path} is missing", _REPLACE)
        take_file(origin, target / file.path)
        problem = file_problem(target / file.path, file)
        if problem is not None:
            raise MissingProductError(source, f"{file.path}: {problem}", _REPLACE)
    # The manifest last: where it is, all is there.
    take_file(source / MANIFEST_NAME, target / MANIFEST_NAME)
    return target


def take_zip(source: Path, target: Path, folder_name: str) -> Path:
    """Take over a zip that holds a folder ``NAME.SAFE``, without unpacking it.

    Returns:
        ``target``.

    Raises:
        MissingProductError: the zip is damaged or not safe to unpack, holds another product, or a
            file of the manifest is missing in it or is another one.
        UserError: the disk is full or the target cannot be written.
    """
    take_file(source, target)
    with _broken_at_source(source):
        with open_zip(target) as opened:
            if f"{folder_name}/{MANIFEST_NAME}" not in opened.namelist():
                raise DamagedProductError(
                    source, f"there is no {folder_name}/{MANIFEST_NAME} in it", _REPLACE
                )
        log(f"{source.name}: {verify_product(target)}")
    return target


@contextmanager
def _broken_at_source(source: Path) -> Iterator[None]:
    """Report what is wrong with a product as its fault: asking again cannot fix it."""
    try:
        yield
    except MissingProductError:
        raise
    except UserError as error:
        raise MissingProductError(source, error.problem, _REPLACE) from error


def take_file(source: Path, target: Path) -> None:
    """Make a file appear under another name, without copying it where the disk allows.

    Raises:
        UserError: the disk is full or the target cannot be written.
    """
    origin = source.resolve()
    if _is_same(origin, target):
        return
    with atomic_file(target) as temporary:
        link_or_copy(origin, temporary)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk has no links for it."""
    try:
        os.link(source, target)
    except OSError as error:
        log(f"copying {source.name} (it cannot be linked: {error.strerror})")
        shutil.copy2(source, target)


def _is_same(origin: Path, target: Path) -> bool:
    """Return whether an earlier try brought the file: a copy keeps the time of change."""
    if not target.is_file():
        return False
    one, other = origin.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
