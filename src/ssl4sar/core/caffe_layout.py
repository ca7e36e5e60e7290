"""The official folder layout of CaFFe.

``{sar_images,zones,fronts}/{train,test}/`` and a flat ``bounding_boxes/``; source: CaFFe
(Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ssl4sar.core.scene_name import BOX_SUFFIX, FRONT_SUFFIX, ZONES_SUFFIX

Split = Literal["train", "test"]
SPLITS: Final[tuple[Split, Split]] = ("train", "test")
IMAGE_FOLDERS: Final = ("sar_images", "zones", "fronts")
BOX_FOLDER: Final = "bounding_boxes"


@dataclass(frozen=True)
class CaffeTree:
    """Paths within a tree; nothing is read or checked.

    Attributes:
        root: folder that holds ``sar_images``.
    """

    root: Path

    def sar(self, split: Split, name: str) -> Path:
        """Return the SAR image of a scene."""
        return self.root / "sar_images" / split / f"{name}.png"

    def zones(self, split: Split, name: str) -> Path:
        """Return the zone mask of a scene."""
        return self.root / "zones" / split / f"{name}{ZONES_SUFFIX}.png"

    def front(self, split: Split, name: str) -> Path:
        """Return the front mask of a scene."""
        return self.root / "fronts" / split / f"{name}{FRONT_SUFFIX}.png"

    def box(self, name: str) -> Path:
        """Return the bounding-box file of a scene."""
        return self.root / BOX_FOLDER / f"{name}{BOX_SUFFIX}.txt"

    def names(self, split: Split) -> list[str]:
        """Return the sorted stems of the SAR images of a split; empty without a folder."""
        images = (self.root / "sar_images" / split).glob("*.png")
        # macOS leaves ._NAME.png beside NAME.png on foreign disks; they are no images.
        return sorted(path.stem for path in images if not path.name.startswith("."))
