"""What the rules from raw scenes to the dataset ask for: batches, optical images, elevation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.fetch_record import RAW_SUFFIX
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.acquisition import ELEVATION, ORBITS, Acquisition, reported
from ssl4sar.workflow.forecast import SCENES

STACKS: Final = Path("data/stack")
#: Heights of synthetic glaciers, which no service has.
RENDERED_ELEVATION: Final = ELEVATION / "synthetic"


class Stacking:
    """Inputs of the rules that make stacks of scenes.

    Args:
        config: validated configuration.
        acquisition: glaciers and inventories.
    """

    def __init__(self, config: StudyConfig, acquisition: Acquisition) -> None:
        self._config = config
        self._acquisition = acquisition

    def _listed(self, glacier: str, mission: Mission) -> list[Product]:
        """Return the products of a glacier by time, also those that are left out."""
        self._acquisition.require_glacier(glacier)
        # Before those of other glaciers, so that searches run side by side.
        self._acquisition.wait_for_search(glacier)
        products = self._acquisition.inventories[glacier].products
        chosen = [product for product in products if product.mission == mission]
        return sorted(chosen, key=lambda product: (product.start, product.name))

    def _batches(self, glacier: str) -> dict[str, list[Product]]:
        """Return the scenes of a glacier by batch.

        Batches are cut before products are left out, so that leaving one out changes one batch.
        """
        listed, size = self._listed(glacier, "sentinel-1"), self._config.stack.batch_size
        batches = {
            f"{start // size:03d}": [
                product
                for product in listed[start : start + size]
                if product.name in self._acquisition.products
            ]
            for start in range(0, len(listed), size)
        }
        if not any(batches.values()):
            raise UserError(
                f"glacier {glacier}",
                "its inventory lists no Sentinel-1 scene that is wanted",
                "widen the search, or leave the glacier out of acquisition.glaciers",
            )
        return {name: products for name, products in batches.items() if products}

    def _batch(self, wildcards: Any) -> list[Product]:
        batches = self._batches(wildcards.glacier)
        if wildcards.batch not in batches:
            raise UserError(
                f"batch {wildcards.batch}",
                f"{wildcards.glacier} has the batches {', '.join(batches)}",
                "ask for one of them",
            )
        return batches[wildcards.batch]

    @reported
    def batch_manifests(self, wildcards: Any) -> list[str]:
        """Return the manifests of the scenes of a batch."""
        return [_manifest(product) for product in self._batch(wildcards)]

    @reported
    def batch_raw(self, wildcards: Any) -> list[str]:
        """Return what stands for the files of the scenes of a batch."""
        return [_raw(product) for product in self._batch(wildcards)]

    @reported
    def batch_orbits(self, wildcards: Any) -> list[str]:
        """Return the records of the orbit files of a batch, each once; none if not wanted."""
        orbit_of = self._orbit_of(wildcards.glacier)
        names = [orbit_of.get(product.name) for product in self._batch(wildcards)]
        return [str(ORBITS / f"{name}.json") for name in dict.fromkeys(names) if name]

    @reported
    def orbit_of(self, wildcards: Any) -> dict[str, str]:
        """Return the name of the orbit file by product of a batch."""
        known = self._orbit_of(wildcards.glacier)
        names = [product.name for product in self._batch(wildcards)]
        return {name: known[name] for name in names if name in known}

    def _orbit_of(self, glacier: str) -> dict[str, str]:
        if self._config.sentinel.orbits != "precise":
            return {}
        return dict(self._acquisition.inventories[glacier].header.orbit_of)

    def elevation(self, wildcards: Any) -> str:
        """Return the elevation model of a glacier."""
        synthetic = self._config.sentinel.provider == "synthetic"
        return str((RENDERED_ELEVATION if synthetic else ELEVATION) / f"{wildcards.glacier}.tif")

    @reported
    def optical_manifests(self, wildcards: Any) -> list[str]:
        """Return the manifests of the optical products of a glacier: all tiles of one day."""
        return [_manifest(product) for product in self._optical(wildcards)]

    @reported
    def optical_raw(self, wildcards: Any) -> list[str]:
        """Return what stands for the files of the optical products of a glacier."""
        return [_raw(product) for product in self._optical(wildcards)]

    def _optical(self, wildcards: Any) -> list[Product]:
        wanted = [
            product
            for product in self._listed(wildcards.glacier, "sentinel-2")
            if product.name in self._acquisition.products
        ]
        if not wanted:
            raise UserError(
                f"glacier {wildcards.glacier}",
                "its inventory lists no optical image",
                "widen optical.months, optical.max_cloud_percent or the time span and make the "
                "inventory again, or leave the glacier out of acquisition.glaciers",
            )
        # With several images per glacier the dataset takes the earliest.
        day = wanted[0].start.date()
        return [product for product in wanted if product.start.date() == day]

    @reported
    def batch_records(self, wildcards: Any) -> list[str]:
        """Return the records of all batches of a glacier."""
        folder = STACKS / wildcards.glacier
        return [str(folder / batch / "stack.json") for batch in self._batches(wildcards.glacier)]

    @reported
    def batch_images(self, wildcards: Any) -> list[str]:
        """Return the folders with the images of all batches of a glacier."""
        return [str(Path(path).with_name("images")) for path in self.batch_records(wildcards)]

    @reported
    def images(self, *_: Any) -> list[str]:
        """Return the folders with the images of all glaciers."""
        return [
            str(STACKS / glacier / batch / "images")
            for glacier in self._acquisition.glaciers
            for batch in self._batches(glacier)
        ]

    @reported
    def records(self, *_: Any) -> list[str]:
        """Return the records of the stacks of all glaciers."""
        glaciers = self._acquisition.glaciers
        unknown = [name for name in self._config.stack.val_glaciers if name not in glaciers]
        if unknown:
            raise UserError(
                "stack.val_glaciers",
                f"{', '.join(unknown)} is not one of the glaciers",
                f"choose of {', '.join(glaciers)}",
            )
        return [str(STACKS / glacier / "stack.json") for glacier in glaciers]

    @reported
    def optical_images(self, *_: Any) -> list[str]:
        """Return the optical images of all glaciers, in their order."""
        return [str(STACKS / glacier / "optical.tif") for glacier in self._acquisition.glaciers]


def _manifest(product: Product) -> str:
    return str(SCENES / f"{product.name}.manifest.json")


def _raw(product: Product) -> str:
    return str(SCENES / f"{product.name}{RAW_SUFFIX}")
