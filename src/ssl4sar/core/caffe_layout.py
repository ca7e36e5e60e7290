"""The official folder layout of CaFFe.

``{sar_images,zones,fronts}/{train,test}/`` and a flat ``bounding_boxes/``; source: CaFFe
(Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950). Images are PNGs there; here they may be
GeoTIFFs, too, which carry their coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from ssl4sar.core.named_files import IMAGE_SUFFIXES, list_named, named_file
from ssl4sar.core.scene_name import BOX_SUFFIX, FRONT_SUFFIX, ZONES_SUFFIX

Split = Literal["train", "test"]
SPLITS: Final[tuple[Split, Split]] = ("train", "test")
IMAGE_FOLDERS: Final = ("sar_images", "zones", "fronts")
BOX_FOLDER: Final = "bounding_boxes"
#: In the root of a tree: coordinates of its images, see :mod:`ssl4sar.dataset.coordinates`.
METADATA_NAME: Final = "meta_data.csv"
#: Endings of the names of files, in lower case; they count in any case.
SAR_ENDINGS: Final = IMAGE_SUFFIXES
ZONES_ENDINGS: Final = tuple(f"{ZONES_SUFFIX}{suffix}" for suffix in IMAGE_SUFFIXES)
FRONT_ENDINGS: Final = tuple(f"{FRONT_SUFFIX}{suffix}" for suffix in IMAGE_SUFFIXES)
BOX_ENDING: Final = f"{BOX_SUFFIX}.txt"
IMAGE_ENDINGS: Final = (SAR_ENDINGS, ZONES_ENDINGS, FRONT_ENDINGS)


@dataclass(frozen=True)
class CaffeTree:
    """Paths within a tree; nothing is read or checked.

    A file is also found as a GeoTIFF, and where its ending is written in another case, e.g.
    ``_zones.PNG``. What does not exist yet is a PNG.

    Attributes:
        root: folder that holds ``sar_images``.
        moved: folder of the scenes that are in that of another split than their own, by name.
    """

    root: Path
    moved: Mapping[str, Split] = field(default_factory=dict)

    def sar(self, split: Split, name: str) -> Path:
        """Return the SAR image of a scene."""
        return named_file(self._folder("sar_images", split, name), name, *SAR_ENDINGS)

    def zones(self, split: Split, name: str) -> Path:
        """Return the zone mask of a scene."""
        return named_file(self._folder("zones", split, name), name, *ZONES_ENDINGS)

    def front(self, split: Split, name: str) -> Path:
        """Return the front mask of a scene."""
        return named_file(self._folder("fronts", split, name), name, *FRONT_ENDINGS)

    def box(self, name: str) -> Path:
        """Return the bounding-box file of a scene."""
        return named_file(self.root / BOX_FOLDER, name, BOX_ENDING)

    def names(self, split: Split) -> list[str]:
        """Return the sorted stems of the SAR images in a split's folder; empty without one."""
        return list(list_named(self.root / "sar_images" / split, *SAR_ENDINGS).files)

    def _folder(self, kind: str, split: Split, name: str) -> Path:
        return self.root / kind / self.moved.get(name, split)
