"""Folders and file names of the SSL4SAR dataset: Sentinel-1 images and their optical partners.

Source: the loaders of the published code of SSL4SAR (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945): flat folders, glacier as a token of the file name.
"""

from __future__ import annotations

from typing import Final, Literal

PairSplit = Literal["train", "val"]
PAIR_SPLITS: Final[tuple[PairSplit, ...]] = ("train", "val")
#: Folders of the Sentinel-1 images by split, and of the optical images, below the root.
SAR_FOLDERS: Final[dict[PairSplit, str]] = {
    "train": "unlabeled_data_raw_train",
    "val": "unlabeled_data_raw_val",
}
OPTICAL_FOLDER: Final = "data_optical"
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
#: Their bands in the raster, from 1; band 13 (AOT) is not used.
RASTER_BANDS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15)
#: Channels of a picture in natural colours: red, green, blue.
RGB_CHANNELS: Final = (3, 2, 1)


def sar_glacier(name: str) -> str | None:
    """Return the glacier of a Sentinel-1 file name: its second token; None without one."""
    tokens = name.rsplit(".", 1)[0].split("_")
    return tokens[1] if len(tokens) > 1 and tokens[1] else None


def optical_glacier(name: str) -> str | None:
    """Return the glacier of an optical file name: its first token; None without one."""
    return name.rsplit(".", 1)[0].split("_", maxsplit=1)[0] or None
