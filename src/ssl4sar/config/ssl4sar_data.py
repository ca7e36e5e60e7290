"""Where the pairs of SAR and optical images for the pretraining come from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from ssl4sar.config.block import Block
from ssl4sar.config.web_address import WebAddress


class Ssl4sarDataConfig(Block):
    """The SSL4SAR dataset: unlabelled Sentinel-1 images and one Sentinel-2 image per glacier."""

    source: Literal["synthetic", "local", "zenodo", "built", "sentinel"] = "synthetic"
    """synthetic: rendered by the scene model; local: the folder `root` in the published layout;
    zenodo: the published archives; built: the folder `root` with a dataset.json; sentinel: built
    from the raw products of the inventories (docs/stack.md)."""
    root: str | None = None
    """Folder of the dataset (sources local and built only)."""
    record_url: WebAddress = "https://zenodo.org/api/records/14748506"
    """Address of the record in the repository's API (source zenodo only)."""
    test_glaciers: tuple[str, ...] = ("COL", "Columbia", "Mapple")
    """Glaciers of the test set by all their names: left out of the pretraining. Those of CaFFe are
    always meant; add those of another test set, e.g. Crane."""
    allow_test_glaciers: bool = False
    """Pretrain on them all the same; the result is marked."""
    leave_out: tuple[str, ...] = ()
    """Images that are not used, by name or path below the root, also with * and ?: damaged, or not
    wanted. They are recorded with the result."""
    optical_scale: Literal["maximum", "percentile"] = "maximum"
    """What becomes 1 in a band of an optical image: its maximum, as published, or its 99.9th
    percentile, which one saturated pixel does not move."""

    @model_validator(mode="after")
    def _root_belongs_to_folders(self) -> Self:
        if self.source in {"local", "built"} and not self.root:
            raise ValueError(
                f"root is missing: with source {self.source} give the folder of the dataset"
            )
        if self.source not in {"local", "built"} and self.root:
            raise ValueError(f"root has no meaning with source {self.source}: use source local")
        return self
