"""Where the CaFFe benchmark comes from and on which grid it is used."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ssl4sar.config.block import Block
from ssl4sar.config.web_address import WebAddress


class CaffeConfig(Block):
    """The CaFFe tree of the run."""

    source: Literal["synthetic", "local", "pangaea"] = "synthetic"
    """synthetic: rendered by the scene model; local: the folder `root`; pangaea: official zip."""
    root: str | None = None
    """Folder that holds sar_images, zones, fronts, bounding_boxes (source local only)."""
    url: WebAddress = "https://download.pangaea.de/dataset/940950/files/data_raw.zip"
    """Address of the official zip, 2.86 GB (source pangaea only)."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected SHA-256 of the zip; null records what was downloaded (none is published)."""
    test_glaciers: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Glaciers all of whose images are the test split, and all other images for training; null: the
    split of the tree."""
    spacing_m: int | None = Field(default=None, ge=5, le=500)
    """Resample the tree to this pixel size in whole metres; null keeps the native grids."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the training images held out; 0.1 of the official 559 is the official 56."""
    validation_seed: int = Field(default=1, ge=0)
    """Seed of the validation draw; 1 is the official one."""

    @field_validator("test_glaciers", mode="before")
    @classmethod
    def _names_in_a_list(cls, value: object) -> object:
        if value is not None and not (isinstance(value, list | tuple) and value):
            raise ValueError("must be a list of glacier names, e.g. [JAC], or null")
        return value

    @model_validator(mode="after")
    def _root_belongs_to_local(self) -> Self:
        if self.source == "local" and not self.root:
            raise ValueError(
                "root is missing: with source local give the folder of the CaFFe tree, as "
                "--config caffe_root=DIR of Snakemake or --root DIR of ssl4sar leave-one-out"
            )
        if self.source != "local" and self.root:
            raise ValueError(f"root has no meaning with source {self.source}: use source local")
        return self

    @model_validator(mode="after")
    def _every_test_glacier_once(self) -> Self:
        for glacier, times in Counter(self.test_glaciers or ()).items():
            if times > 1:
                raise ValueError(f"test_glaciers: {glacier} is there twice: name it once")
        return self
