"""A made-up pretraining dataset of a few small images."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.seeding import generator


@dataclass(frozen=True)
class PairFolder:
    """A made-up pretraining dataset that a test may spoil.

    Attributes:
        root: folder of the dataset.
    """

    root: Path
    train = "unlabeled_data_raw_train"
    val = "unlabeled_data_raw_val"
    optical = "data_optical"

    def sar(self, split: str, name: str, shape: tuple[int, int] = (40, 50)) -> Path:
        """Write a Sentinel-1 image."""
        path = self.root / getattr(self, split) / name
        image = generator(0, "pair", split, name).integers(0, 256, shape, dtype=np.uint8)
        write_gray(path, image)
        return path

    def raster(
        self, name: str, values: np.ndarray, folder: str | None = None, **profile: object
    ) -> Path:
        """Write (bands, H, W) as GeoTIFF; ``names`` of the profile describe the bands."""
        import rasterio

        names = profile.pop("names", ())
        bands, height, width = values.shape
        path = self.root / (folder or self.optical) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                height=height,
                width=width,
                count=bands,
                dtype=values.dtype,
                **profile,
            ) as raster:
                raster.write(values)
                for number, text in enumerate(names, start=1):  # type: ignore[arg-type]
                    raster.set_band_description(number, text)
        return path

    def reflectance(self, name: str, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
        """Return (15, H, W) float32 of plausible values with a corner of NaN."""
        rng = generator(0, "optical", name)
        values = rng.uniform(0.01, 1.2, (15, *shape)).astype(np.float32)
        values[14] = rng.integers(1, 12, shape)
        values[:, :3, :4] = np.nan
        return values


def write_pairs(root: Path) -> PairFolder:
    """Write three glaciers with two training images each; A and B have a validation image."""
    folder = PairFolder(root)
    for glacier, shape in (("A", (40, 50)), ("B", (30, 36)), ("C", (20, 24))):
        folder.raster(f"{glacier}_20200715_S2.tif", folder.reflectance(glacier, shape))
        for day in (3, 15):
            folder.sar("train", f"S1_{glacier}_202007{day:02}_014.png", shape)
        if glacier != "C":
            folder.sar("val", f"S1_{glacier}_20200727_014.png", shape)
    return folder
