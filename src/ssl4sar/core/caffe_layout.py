"""The official folder layout of CaFFe.

``{sar_images,zones,fronts}/{train,test}/`` and a flat ``bounding_boxes/``; source: CaFFe
(Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ssl4sar.core.named_files import list_named, named_file
from ssl4sar.core.scene_name import BOX_SUFFIX, FRONT_SUFFIX, ZONES_SUFFIX

Split = Literal["train", "test"]
SPLITS: Final[tuple[Split, Split]] = ("train", "test")
IMAGE_FOLDERS: Final = ("sar_images", "zones", "fronts")
BOX_FOLDER: Final = "bounding_boxes"
#: Endings of the names of files, in lower case; they count in any case.
SAR_ENDING: Final = ".png"
ZONES_ENDING: Final = f"{ZONES_SUFFIX}.png"
FRONT_ENDING: Final = f"{FRONT_SUFFIX}.png"
BOX_ENDING: Final = f"{BOX_SUFFIX}.txt"
IMAGE_ENDINGS: Final = (SAR_ENDING, ZONES_ENDING, FRONT_ENDING)


@dataclass(frozen=True)
class CaffeTree:
    """Paths within a tree; nothing is read or checked.

    A file is also found where its ending is written in another case, e.g. ``_zones.PNG``.

    Attributes:
        root: folder that holds ``sar_images``.
    """

    root: Path

    def sar(self, split: Split, name: str) -> Path:
        """Return the SAR image of a scene."""
        return named_file(self.root / "sar_images" / split, name, SAR_ENDING)

    def zones(self, split: Split, name: str) -> Path:
        """Return the zone mask of a scene."""
        return named_file(self.root / "zones" / split, name, ZONES_ENDING)

    def front(self, split: Split, name: str) -> Path:
        """Return the front mask of a scene."""
        return named_file(self.root / "fronts" / split, name, FRONT_ENDING)

    def box(self, name: str) -> Path:
        """Return the bounding-box file of a scene."""
        return named_file(self.root / BOX_FOLDER, name, BOX_ENDING)

    def names(self, split: Split) -> list[str]:
        """Return the sorted stems of the SAR images of a split; empty without a folder."""
        return list(list_named(self.root / "sar_images" / split, SAR_ENDING).files)
