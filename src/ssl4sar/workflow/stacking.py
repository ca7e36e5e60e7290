"""What the rules from raw scenes to the dataset ask for: batches, optical images, elevation."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.fetch_record import RAW_SUFFIX
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.config.stack import SNAP_MODULE
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.acquisition import ELEVATION, ORBITS, Acquisition, reported
from ssl4sar.workflow.forecast import SCENES

STACKS: Final = Path("data/stack")
#: Heights of synthetic glaciers, which no service has.
RENDERED_ELEVATION: Final = ELEVATION / "synthetic"


class Stacking:
    """Inputs of the rules that make stacks of scenes.

    Adjacent glaciers share scenes. Each is in a batch of the first by name of the glaciers that
    list it, whose job reads it once and makes the images of all of them.

    Args:
        config: validated configuration.
        acquisition: glaciers and inventories.
    """

    def __init__(self, config: StudyConfig, acquisition: Acquisition) -> None:
        self._config = config
        self._acquisition = acquisition

    def _wait_for(self, glacier: str) -> None:
        """Require that a glacier is of this run, and its search before those of others.

        So searches run side by side.
        """
        self._acquisition.require_glacier(glacier)
        self._acquisition.wait_for_search(glacier)

    @property
    def geocoding_environment(self) -> str | None:
        """Conda environment of what geocodes, seen from the files of the rules; None: as others."""
        return "../../envs/pyrosar.yaml" if self._config.stack.engine == "pyrosar" else None

    def engine_modules(self, *_: Any) -> list[str]:
        """Return the modules of what geocodes that are imported by their names alone."""
        return [SNAP_MODULE] if self._config.stack.engine == "pyrosar" else []

    @property
    def geocoding_mem_mb(self) -> int:
        """Megabytes of a batch; SNAP takes all the memory that it gets."""
        return 3000 if self._config.stack.engine == "builtin" else 16_000

    def geocoding_min(self, wildcards: Any) -> int:
        """Return the minutes of a batch; SNAP may take its time for every glacier of a scene."""
        stack = self._config.stack
        if stack.engine == "builtin":
            return 120
        images = sum(map(len, self.scenes_of(wildcards).values()))
        return images * stack.snap_timeout_min

    def _listed(self, glacier: str, mission: Mission) -> list[Product]:
        """Return the products of a glacier by time, also those that are left out."""
        self._wait_for(glacier)
        products = self._acquisition.inventories[glacier].products
        chosen = [product for product in products if product.mission == mission]
        return sorted(chosen, key=lambda product: (product.start, product.name))

    @cached_property
    def _glaciers_of(self) -> dict[str, list[str]]:
        """The glaciers that list a Sentinel-1 scene, by its name."""
        found: dict[str, list[str]] = defaultdict(list)
        # By name: the order in the configuration decides on no batch.
        for glacier in sorted(self._acquisition.glaciers):
            for product in self._listed(glacier, "sentinel-1"):
                found[product.name].append(glacier)
        return found

    @cached_property
    def _batches(self) -> dict[str, list[Product]]:
        """The wanted scenes by ``GLACIER/BATCH``.

        Batches are cut from all scenes that the glacier lists, before products are left out or
        found to be in the batch of another glacier: so leaving one out changes one batch.
        """
        size = self._config.stack.batch_size
        batches: dict[str, list[Product]] = defaultdict(list)
        for glacier in sorted(self._acquisition.glaciers):
            for index, product in enumerate(self._listed(glacier, "sentinel-1")):
                first, wanted = self._glaciers_of[product.name][0], self._acquisition.products
                if first == glacier and product.name in wanted:
                    batches[f"{glacier}/{index // size:03d}"].append(product)
        return dict(batches)

    def _batches_with(self, glacier: str) -> list[str]:
        """Return the batches that hold scenes of a glacier."""
        self._wait_for(glacier)
        found = [
            name
            for name, products in self._batches.items()
            if any(glacier in self._glaciers_of[product.name] for product in products)
        ]
        if not found:
            raise UserError(
                f"glacier {glacier}",
                "its inventory lists no Sentinel-1 scene that is wanted",
                "widen the search, or leave the glacier out of acquisition.glaciers",
            )
        return found

    def _batch(self, wildcards: Any) -> list[Product]:
        self._wait_for(wildcards.glacier)
        name = f"{wildcards.glacier}/{wildcards.batch}"
        if name not in self._batches:
            raise UserError(
                f"batch {name}",
                f"the scenes of {wildcards.glacier} are in the batches "
                f"{', '.join(self._batches_with(wildcards.glacier))}",
                "ask for one of them",
            )
        return self._batches[name]

    @reported
    def batch_manifests(self, wildcards: Any) -> list[str]:
        """Return the manifests of the scenes of a batch."""
        return [_manifest(product) for product in self._batch(wildcards)]

    @reported
    def batch_raw(self, wildcards: Any) -> list[str]:
        """Return what stands for the files of the scenes of a batch."""
        return [_raw(product) for product in self._batch(wildcards)]

    @reported
    def first_manifest(self, wildcards: Any) -> list[str]:
        """Return the manifest of the first wanted scene of a glacier, the one that is drawn."""
        listed = self._listed(wildcards.glacier, "sentinel-1")
        wanted = [each for each in listed if each.name in self._acquisition.products]
        return [_manifest(product) for product in wanted[:1]]

    @reported
    def batch_orbits(self, wildcards: Any) -> list[str]:
        """Return the records of the orbit files of a batch, each once; none if not wanted."""
        names = dict.fromkeys(self.orbit_of(wildcards).values())
        return [str(ORBITS / f"{name}.json") for name in names]

    @reported
    def orbit_of(self, wildcards: Any) -> dict[str, str]:
        """Return the name of the orbit file by product of a batch."""
        names = [product.name for product in self._batch(wildcards)]
        return {name: self._orbit_of[name] for name in names if name in self._orbit_of}

    @cached_property
    def _orbit_of(self) -> dict[str, str]:
        """The orbit file by product, as the newest search lists it."""
        if self._config.sentinel.orbits != "precise":
            return {}
        headers = [inventory.header for inventory in self._acquisition.inventories.values()]
        headers.sort(key=lambda header: header.searched_text)
        return {name: orbit for header in headers for name, orbit in header.orbit_of.items()}

    @reported
    def scenes_of(self, wildcards: Any) -> dict[str, list[str]]:
        """Return the scenes of a batch by the glaciers that list them."""
        found: dict[str, list[str]] = defaultdict(list)
        for product in self._batch(wildcards):
            for glacier in self._glaciers_of[product.name]:
                found[glacier].append(product.name)
        return dict(sorted(found.items()))

    @reported
    def batch_glaciers(self, wildcards: Any) -> list[dict[str, Any]]:
        """Return the glaciers of a batch as GeoJSON features."""
        glaciers = self._acquisition.glaciers
        return [glaciers[name].as_feature() for name in self.scenes_of(wildcards)]

    @reported
    def batch_elevations(self, wildcards: Any) -> list[str]:
        """Return the elevation models of the glaciers of a batch."""
        return [self._elevation(name) for name in self.scenes_of(wildcards)]

    def elevation(self, wildcards: Any) -> str:
        """Return the elevation model of a glacier."""
        return self._elevation(wildcards.glacier)

    def _elevation(self, glacier: str) -> str:
        synthetic = self._config.sentinel.provider == "synthetic"
        return str((RENDERED_ELEVATION if synthetic else ELEVATION) / f"{glacier}.tif")

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
        """Return the records of all batches with scenes of a glacier."""
        return [
            str(STACKS / batch / "stack.json") for batch in self._batches_with(wildcards.glacier)
        ]

    @reported
    def batch_images(self, wildcards: Any) -> list[str]:
        """Return the folders with the images of all batches with scenes of a glacier."""
        return [str(Path(path).with_name("images")) for path in self.batch_records(wildcards)]

    @reported
    def images(self, *_: Any) -> list[str]:
        """Return the folders with the images of all glaciers."""
        return [str(STACKS / batch / "images") for batch in self._batches]

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
