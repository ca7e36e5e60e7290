"""Finding the CaFFe tree within a folder, e.g. the one a zip was extracted to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ssl4sar.core.caffe_layout import IMAGE_FOLDERS
from ssl4sar.core.errors import UserError
from ssl4sar.core.named_files import visible_entries

_DEEPEST_LEVEL: Final = 4


def find_caffe_root(folder: str | Path) -> Path:
    """Find the folder that holds ``sar_images``; the official zip has it under ``data_raw``.

    Args:
        folder: the tree itself or a folder up to four levels above it.

    Returns:
        Folder of the tree; ``folder`` itself where it is the tree.

    Raises:
        UserError: ``folder`` does not exist, holds no tree, or holds several.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(folder, "the folder does not exist", "give the folder of the CaFFe tree")
    level = [folder]
    for _ in range(_DEEPEST_LEVEL + 1):
        roots = [place for place in level if (place / IMAGE_FOLDERS[0]).is_dir()]
        if len(roots) > 1:
            listed = ", ".join(place.relative_to(folder).as_posix() for place in roots)
            raise UserError(
                folder, f"there are several CaFFe trees ({listed})", "give the folder of one"
            )
        if roots:
            return roots[0]
        level = [child for place in level for child in _subfolders(place)]
    raise UserError(
        folder,
        f"there is no CaFFe tree (no folder {IMAGE_FOLDERS[0]})",
        "give the folder that holds sar_images, zones, fronts and bounding_boxes",
    )


def _subfolders(folder: Path) -> list[Path]:
    return [child for child in visible_entries(folder) if child.is_dir()]
