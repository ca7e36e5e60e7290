"""Files of a folder by the name of what they belong to: one listing for all datasets.

Labels, images, predictions and boxes are named ``NAME`` plus an ending. People's files are written
``NAME_zones.PNG``, too, and their disks add files of their own. So an ending counts in any case,
what an operating system left is ignored, and whatever else is there is returned, to be reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError

#: Left behind by macOS and Windows, apart from names that begin with a dot; in lower case.
_LEFT_BEHIND: Final = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
    }
)
#: What an image that is read may be called, in lower case: PNG or GeoTIFF.
IMAGE_SUFFIXES: Final = (".png", ".tif", ".tiff")
#: Endings of what may be an image, whether it can be used or not.
_IMAGES: Final = frozenset(
    {*IMAGE_SUFFIXES, ".jpg", ".jpeg", ".jp2", ".bmp", ".gif", ".webp", ".npy", ".npz"}
)
_SHOWN: Final = 3


@dataclass(frozen=True)
class NamedFiles:
    """What a folder holds; a folder that does not exist holds nothing.

    Attributes:
        files: file by name, sorted; of files with one name the first.
        repeated: two files of one name, by that name: the case of their endings differs, or one
            has another of several endings.
        others: all other entries that can be seen, files and folders, sorted.
    """

    files: dict[str, Path]
    repeated: dict[str, tuple[Path, Path]]
    others: tuple[Path, ...]

    def refuse_repeated(self) -> None:
        """Refuse two files of one name: which of them is meant is not known.

        Raises:
            UserError: there are such files.
        """
        for first, second in self.repeated.values():
            raise UserError(second, f"{first.name} has the same name", "remove one of the two")


def list_named(folder: Path, *endings: str) -> NamedFiles:
    """List the files ``NAME`` plus one of some endings, in any case, e.g. ``_zones.PNG``.

    Args:
        folder: folder, not searched below.
        endings: in lower case; where several fit, the first counts.
    """
    files: dict[str, Path] = {}
    repeated: dict[str, tuple[Path, Path]] = {}
    others: list[Path] = []
    for path in visible_entries(folder):
        lower = path.name.lower()
        ending = next((e for e in endings if lower.endswith(e) and lower != e), None)
        if ending is None or path.is_dir():
            others.append(path)
            continue
        name = path.name[: -len(ending)]
        if name in files:
            repeated.setdefault(name, (files[name], path))
        else:
            files[name] = path
    return NamedFiles(dict(sorted(files.items())), repeated, tuple(others))


def named_file(folder: Path, name: str, *endings: str) -> Path:
    """Return the path of a file ``NAME`` plus one of some endings, if need be in another case.

    Args:
        folder: folder of the file.
        name: name in its very case.
        endings: in lower case.

    Returns:
        The path with the first ending where there is none.
    """
    paths = [folder / f"{name}{ending}" for ending in endings]
    there = next((path for path in paths if path.exists()), None)
    return there or list_named(folder, *endings).files.get(name, paths[0])


def visible_entries(folder: Path) -> list[Path]:
    """Return the sorted entries of a folder without those that an operating system left there.

    macOS writes ``.DS_Store``, and ``._NAME.png`` beside ``NAME.png`` on foreign disks; Windows
    ``Thumbs.db``. A folder that does not exist has none.
    """
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if is_visible(path.name))


def is_visible(name: str) -> bool:
    """Return whether a file or folder is somebody's, by its own name without its path."""
    return not name.startswith(".") and name.lower() not in _LEFT_BEHIND


def is_image(path: Path) -> bool:
    """Return whether a file may be an image, by its ending."""
    return path.suffix.lower() in _IMAGES


def some_names(paths: Iterable[Path]) -> str:
    """Return the names of the first few paths for a line of text; folders end in a slash."""
    names = [f"{path.name}/" if path.is_dir() else path.name for path in paths]
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
