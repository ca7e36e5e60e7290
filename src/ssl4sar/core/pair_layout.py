"""Folders and file names of the SSL4SAR dataset: Sentinel-1 images and their optical partners.

Source: the loaders of the published code of SSL4SAR (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945): flat folders, glacier as a token of the file name.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ssl4sar.core.errors import UserError
from ssl4sar.core.named_files import visible_entries
from ssl4sar.core.scene_name import TEST_GLACIERS

PairSplit = Literal["train", "val"]
PAIR_SPLITS: Final[tuple[PairSplit, ...]] = ("train", "val")
#: Folders of the Sentinel-1 images by split, and of the optical images, below the root.
SAR_FOLDERS: Final[dict[PairSplit, str]] = {
    "train": "unlabeled_data_raw_train",
    "val": "unlabeled_data_raw_val",
}
OPTICAL_FOLDER: Final = "data_optical"
#: Folder around those of the Sentinel-1 images in the published nesting.
_SAR_NESTING: Final = "data_unlabeled"
#: Endings of the names of images; all else in the folders is not an image.
SAR_SUFFIXES: Final = (".png", ".tif", ".tiff")
OPTICAL_SUFFIXES: Final = (".tif", ".tiff")
#: Manifest of a dataset in its root, as the SAR stage writes it.
MANIFEST_NAME: Final = "dataset.json"
#: The 14 channels of the published loader, in order (Sentinel-2 L2A names).
CHANNELS: Final = (
    "B1",
    "B2",
    "B3",
    "B4",
    "B5",
    "B6",
    "B7",
    "B8",
    "B8A",
    "B9",
    "B11",
    "B12",
    "WVP",
    "SCL",
)
#: The bands that a raster must begin with, in order.
BANDS: Final = (*CHANNELS[:12], "AOT", *CHANNELS[12:])
#: Bands of the channels in the raster, from 1; band 13 (AOT) is not used.
RASTER_BANDS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15)
#: Glaciers of the benchmark's test set by all their names; COL is Columbia.
BENCHMARK_TEST_GLACIERS: Final = (*TEST_GLACIERS, "Columbia")
#: Other names of benchmark glaciers in datasets for pretraining.
_OTHER_NAMES: Final = {"COL": ("Columbia",), "JAC": ("Jakobshavn",), "SI": ("SjogrenInlet",)}
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
#: From so many letters on, a name is taken for part of a longer word.
_LONG_NAME: Final = 5
_DATE: Final = re.compile(r"\d{8}|\d{4}-\d{2}-\d{2}", re.ASCII)
#: Channels of a picture in natural colours: red, green, blue.
RGB_CHANNELS: Final = (3, 2, 1)


def sar_glacier(name: str) -> str | None:
    """Return the glacier of a Sentinel-1 file name: its second token; None without one."""
    tokens = name.rsplit(".", 1)[0].split("_")
    return tokens[1] if len(tokens) > 1 and tokens[1] else None


def optical_glacier(name: str) -> str | None:
    """Return the glacier of an optical file name: its first token; None without one."""
    return name.rsplit(".", 1)[0].split("_", maxsplit=1)[0] or None


def all_names(glaciers: Iterable[str]) -> tuple[str, ...]:
    """Return glaciers by all the names that they may have in a dataset for pretraining."""
    return tuple(name for glacier in glaciers for name in (glacier, *_OTHER_NAMES.get(glacier, ())))


def is_named_after(glacier: str, names: Iterable[str]) -> bool:
    """Return whether a glacier's name is, or holds as a word, one of some names; case is nothing.

    Words end at anything but a letter and at a capital within: ``Columbia``, ``ColumbiaGlacier``
    and ``columbia-west`` are named after Columbia. A long name also counts as part of a word, since
    ``columbiaglacier`` shows no end; ``Coleman`` is not named after COL.
    """
    words = {word.casefold() for word in _WORD.findall(glacier)}
    words |= {part.casefold() for part in re.split(r"[^A-Za-z]+", glacier) if part}
    words.add(glacier.casefold())
    for name in names:
        wanted = name.casefold()
        if wanted in words:
            return True
        if len(wanted) >= _LONG_NAME and any(wanted in word for word in words):
            return True
    return False


def name_date(name: str) -> datetime.date | None:
    """Return the first token of a file name that is a date (YYYYMMDD, YYYY-MM-DD), or None."""
    for token in name.split(".", maxsplit=1)[0].split("_"):
        if _DATE.fullmatch(token):
            try:
                return datetime.date.fromisoformat(token)
            except ValueError:
                continue
    return None


@dataclass(frozen=True)
class PairTree:
    """The three folders of a dataset.

    Attributes:
        root: folder named by the user; the paths of files count from here.
        sar: folder of the Sentinel-1 images by split.
        optical: folder of the optical images.
    """

    root: Path
    sar: dict[PairSplit, Path]
    optical: Path

    def sar_images(self, split: PairSplit) -> list[Path]:
        """Return the Sentinel-1 images of a split, sorted by name."""
        return _images(self.sar[split], SAR_SUFFIXES)

    def optical_images(self) -> list[Path]:
        """Return the optical images, sorted by name."""
        return _images(self.optical, OPTICAL_SUFFIXES)

    def name(self, path: Path) -> str:
        """Return the path of a file below the root, POSIX."""
        return path.relative_to(self.root).as_posix()


def find_pair_tree(root: str | Path) -> PairTree:
    """Find the three folders below a folder: directly in it, or nested as they were published.

    Published: ``data_unlabeled/unlabeled_data_raw_train`` and ``data_optical/data_optical``. An
    archive that holds its own folder once more (``X/X``) does too.

    Raises:
        UserError: the folder does not exist, or one of the three is missing or there twice.
    """
    root = Path(root)
    fix = (
        f"give the folder that holds {SAR_FOLDERS['train']}, {SAR_FOLDERS['val']} and "
        f"{OPTICAL_FOLDER}"
    )
    if not root.is_dir():
        raise UserError(root, "the folder does not exist", fix)
    found = {name: _places(root, name) for name in (*SAR_FOLDERS.values(), OPTICAL_FOLDER)}
    lacking = [name for name, places in found.items() if not places]
    if lacking:
        what = "folder is missing" if len(lacking) == 1 else "folders are missing"
        raise UserError(root, f"the {what}: {', '.join(lacking)}", fix)
    for name, places in found.items():
        if len(places) > 1:
            listed = " and ".join(place.relative_to(root).as_posix() for place in places)
            raise UserError(root, f"the folder {name} is there twice ({listed})", "remove one")
    sar = {split: found[name][0] for split, name in SAR_FOLDERS.items()}
    return PairTree(root, sar, found[OPTICAL_FOLDER][0])


def _places(root: Path, name: str) -> list[Path]:
    nestings = (root, root / _SAR_NESTING) if name != OPTICAL_FOLDER else (root,)
    return [_innermost(place / name) for place in nestings if (place / name).is_dir()]


def _innermost(folder: Path) -> Path:
    while (folder / folder.name).is_dir():
        folder /= folder.name
    return folder


def _images(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    entries = visible_entries(folder)
    return [path for path in entries if path.suffix.lower() in suffixes and path.is_file()]
