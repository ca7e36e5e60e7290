"""What the rules of the acquisition ask for: glaciers, frozen inventories, scenes, forecast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from snakemake.io import directory, temp

from ssl4sar.acquire.areas import Glacier, choose_glaciers, read_glaciers
from ssl4sar.acquire.catalogue.inventory import (
    TIME_FORMAT,
    Inventory,
    InventoryHeader,
    read_inventory,
)
from ssl4sar.acquire.catalogue.search import SearchConfig, query_values
from ssl4sar.acquire.elevation.tiles import tiles_of_area
from ssl4sar.acquire.fetch_record import RAW_SUFFIX
from ssl4sar.acquire.product import Product
from ssl4sar.config.keys import value_at
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines
from ssl4sar.workflow.forecast import SCENES, forecast

INVENTORIES: Final = Path("data/inventory")
ORBITS: Final = Path("data/orbits")
TILES: Final = Path("data/elevation/tiles")
ELEVATION: Final = Path("data/elevation")
GEOID: Final = Path("data/geoid/geoid.tif")
_NAMES_SHOWN: Final = 3
#: Name of the rule that searches again.
_REFRESH: Final = "refresh"
#: Keys of the providers' blocks that decide on what a search answers, and on what is fetched.
_SEARCH_SERVICE: Final = {
    "dhus": ("dhus.hub_url",),
    "stac": ("stac.url", "stac.sar_collection", "stac.optical_collection"),
    "synthetic": ("pair_scene",),
}
_FETCH_SERVICE: Final = {
    "cdse": ("cdse.whole_products",),
    "dhus": ("dhus.hub_url",),
    "stac": ("stac.url", "stac.sar_assets", "stac.optical_assets"),
    "synthetic": ("pair_scene",),
}


P = ParamSpec("P")
R = TypeVar("R")


def reported(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function that Snakemake calls end it with one line where the user can fix it.

    Snakemake would add a traceback to any other exception.
    """

    @wraps(function)
    def ending(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise SystemExit(f"ssl4sar: error: {error}") from None

    return ending


class Acquisition:
    """Paths and parameters of the rules that search and fetch Sentinel products."""

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        self._workflow: Any = None
        self._refresh = _REFRESH
        self._search: Any = None

    def follow(self, workflow: Any, renamed: Callable[[str], str] = str) -> None:
        """Let a new search follow the targets that Snakemake is asked for."""
        self._workflow = workflow
        self._refresh = renamed(_REFRESH)

    def search_by(self, checkpoint: Any) -> None:
        """Let what asks for an inventory that is missing wait for the search.

        Args:
            checkpoint: Snakemake's checkpoint with the wildcard ``glacier``.
        """
        self._search = checkpoint

    def wait_for_search(self, name: str) -> None:
        """Let the job that asks wait until the inventory of a glacier is there.

        A frozen one is there, whatever has changed since, but where a new search is asked for.

        Raises:
            IncompleteCheckpointException: Snakemake has to run the search first.
        """
        if self._search is None:
            return
        if self._is_refresh or not _inventory_file(name).is_file():
            self._search.get(glacier=name)

    @property
    def _is_refresh(self) -> bool:
        """Whether the rule ``refresh`` is among the targets, however Snakemake was asked for it.

        Words of the command line do not say it: one may be the value of an option.
        """
        asked = getattr(self._workflow, "dag_settings", None)
        if asked is None:
            return False
        # Snakemake makes targets also of the rules that these two options name.
        return self._refresh in {*asked.targets, *asked.forcerun, *asked.until}

    @cached_property
    def glaciers(self) -> dict[str, Glacier]:
        """The chosen glaciers by name.

        Raises:
            UserError: the list of glaciers is wrong, or a name is not in it.
        """
        wanted = self._config.acquisition
        if self._config.sentinel.provider == "synthetic":
            from ssl4sar.acquire.providers.synthetic import synthetic_glaciers

            known, source = synthetic_glaciers(self._config.pair_scene), "pair_scene"
        else:
            known, source = read_glaciers(wanted.glaciers_file), wanted.glaciers_file
        chosen = choose_glaciers(known, wanted.glaciers, source)
        return {glacier.name: glacier for glacier in chosen}

    @property
    def search_service(self) -> dict[str, Any]:
        """What decides on the answers to a query besides the query, by dotted key."""
        return self._of_providers(_SEARCH_SERVICE)

    @property
    def fetch_service(self) -> dict[str, Any]:
        """What decides on the content of products besides the inventory, by dotted key."""
        return self._of_providers(_FETCH_SERVICE)

    def _of_providers(self, keys: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        sentinel = self._config.sentinel
        plain = self._config.model_dump(mode="json")
        providers = dict.fromkeys((sentinel.provider, sentinel.optical_from))
        found = {key: value_at(plain, key) for name in providers for key in keys.get(name, ())}
        if "synthetic" in providers and self._config.ssl4sar.source == "sentinel":
            # Raw products instead of images.
            found["ssl4sar.source"] = "sentinel"
        return found

    @reported
    def glacier(self, wildcards: Any) -> dict[str, Any]:
        """Return a glacier as a GeoJSON feature."""
        return self._the_glacier(wildcards).as_feature()

    def _the_glacier(self, wildcards: Any) -> Glacier:
        return self.require_glacier(wildcards.glacier)

    def require_glacier(self, name: str) -> Glacier:
        """Return a chosen glacier.

        Raises:
            UserError: it is not one of those.
        """
        if name not in self.glaciers:
            raise UserError(
                f"glacier {name}",
                "is not among those of this run",
                f"ask for one of {', '.join(self.glaciers)}, or name it in acquisition.glaciers",
            )
        return self.glaciers[name]

    @reported
    def features(self, *_: Any) -> list[dict[str, Any]]:
        """Return all glaciers as GeoJSON features."""
        return [glacier.as_feature() for glacier in self.glaciers.values()]

    @reported
    def inventory_files(self, *_: Any) -> list[str]:
        """Return the inventories of all glaciers."""
        return [str(_inventory_file(name)) for name in self.glaciers]

    @reported
    def missing_inventories(self, *_: Any) -> list[str]:
        """Return the inventories that are to be made before anything is fetched."""
        return [path for path in self.inventory_files() if not Path(path).is_file()]

    @reported
    def searched_utc(self, wildcards: Any) -> str:
        """Return the time of the inventory that is wanted: of the frozen one, or now.

        The frozen one is wanted as long as it answers the present query and nobody asks for the
        target ``refresh``. As a parameter it lets a new search follow these two alone: after a
        change of the program the job runs, finds the inventory of that time and reuses it.
        """
        name = self._the_glacier(wildcards).name
        path = _inventory_file(name)
        if not path.is_file() or self._is_refresh:
            return self._now
        header = read_inventory(path).header
        return self._now if self._differences(name, header) else header.searched_text

    @cached_property
    def _now(self) -> str:
        return datetime.now(UTC).strftime(TIME_FORMAT)

    @cached_property
    def inventories(self) -> dict[str, Inventory]:
        """Frozen inventories by glacier; what needs one that is missing waits for its search.

        Raises:
            IncompleteCheckpointException: Snakemake has to run a search first.
            UserError: one is damaged, or is missing where nothing can be searched.
        """
        for name in self.glaciers:
            self.wait_for_search(name)
        return self._frozen

    @cached_property
    def _frozen(self) -> dict[str, Inventory]:
        """The inventories without a search.

        Raises:
            UserError: one is missing or damaged.
        """
        missing = self.missing_inventories()
        if missing:
            raise UserError(
                missing[0],
                f"{len(missing)} of {len(self.glaciers)} inventories do not exist yet",
                "make them first: snakemake --cores 4 -- inventory (with the same --configfile)",
            )
        found = {
            name: read_inventory(path)
            for name, path in zip(self.glaciers, self.inventory_files(), strict=True)
        }
        self._warn_of_other_queries(found)
        return found

    def _warn_of_other_queries(self, found: dict[str, Inventory]) -> None:
        """Report which inventories answer another query than that of the configuration.

        They count all the same: what is built follows the frozen inventories alone.
        """
        other = {
            name: self._differences(name, inventory.header) for name, inventory in found.items()
        }
        other = {name: keys for name, keys in other.items() if keys}
        if other:
            keys = dict.fromkeys(key for keys in other.values() for key in keys)
            names = ", ".join(list(other)[:_NAMES_SHOWN]) + (", ..." * (len(other) > _NAMES_SHOWN))
            warning = (
                f"warning: the inventories of {names} answer another query ({', '.join(keys)}) and "
                "are used as they are; the target inventory makes them again"
            )
            print_lines([warning], sys.stderr)

    @cached_property
    def _query(self) -> dict[str, Any]:
        config = self._config
        return query_values(SearchConfig(config.sentinel, config.optical, self.search_service))

    def _differences(self, name: str, header: InventoryHeader) -> list[str]:
        wanted = self._query
        keys = sorted({*wanted, *header.query})
        keys = [key for key in keys if wanted.get(key) != header.query.get(key)]
        sentinel = self._config.sentinel
        if header.providers.get("sentinel-1") != sentinel.provider:
            keys.append("sentinel.provider")
        if header.providers.get("sentinel-2", sentinel.optical_from) != sentinel.optical_from:
            keys.append("sentinel.optical_provider")
        # The search took the area from a feature, which orders its corners.
        area = Glacier.from_feature(self.glaciers[name].as_feature()).geojson
        return keys + (["area"] if header.area != area else [])

    @cached_property
    def products(self) -> dict[str, Product]:
        """Wanted products of all inventories by name; adjacent glaciers share scenes."""
        listed = _newest(
            (inventory.header.searched_text, product)
            for inventory in self.inventories.values()
            for product in inventory.products
        )
        unwanted = dict.fromkeys(self._config.acquisition.leave_out)
        strangers = [name for name in unwanted if name not in listed]
        if strangers:
            more = ", ..." * (len(strangers) > _NAMES_SHOWN)
            warning = (
                f"warning: acquisition.leave_out: {', '.join(strangers[:_NAMES_SHOWN])}{more}: "
                "in no inventory of this run"
            )
            print_lines([warning], sys.stderr)
        return {name: product for name, product in listed.items() if name not in unwanted}

    @cached_property
    def orbits(self) -> dict[str, Product]:
        """Orbit files of all inventories by name."""
        return _newest(
            (inventory.header.searched_text, orbit)
            for inventory in self.inventories.values()
            for orbit in map(Product.from_row, inventory.header.orbits)
        )

    @reported
    def product(self, wildcards: Any) -> dict[str, Any]:
        """Return the line of a product as values of JSON."""
        name = wildcards.product
        if name in self._config.acquisition.leave_out:
            raise UserError(name, "is left out", "remove it from acquisition.leave_out")
        _ = self._frozen  # a product that is asked for by its name does not start a search
        return _listed(self.products, name).as_row()

    @reported
    def orbit(self, wildcards: Any) -> dict[str, Any]:
        """Return the line of an orbit file as values of JSON."""
        _ = self._frozen
        return _listed(self.orbits, wildcards.orbit).as_row()

    @property
    def raw_output(self) -> dict[str, Any]:
        """Output of the fetch that what reads a product has as input beside its manifest.

        It has the same path in both cases, so that another choice repeats nothing. A folder that
        stays is not an output: Snakemake would delete it before a rerun.
        """
        path = f"{SCENES}/{{product}}{RAW_SUFFIX}"
        if self._config.acquisition.keep_raw:
            return {"mark": path}
        return {"raw": temp(directory(path))}

    @reported
    def scene_records(self, *_: Any) -> list[str]:
        """Return the records of all products, for what wants the products themselves."""
        if not self._config.acquisition.keep_raw:
            raise UserError(
                "acquisition.keep_raw",
                "is false: with this target every product would be removed once it is fetched",
                "set it to true, or build what reads the products: the target stack or dataset",
            )
        return [str(SCENES / f"{name}.json") for name in self.products]

    def scene_raw(self, *_: Any) -> list[str]:
        """Return what stands for the files of all products."""
        return [str(SCENES / f"{name}{RAW_SUFFIX}") for name in self.products]

    @reported
    def orbit_records(self, *_: Any) -> list[str]:
        """Return the records of all orbit files."""
        return [str(ORBITS / f"{name}.json") for name in self.orbits]

    def lost_record(self, *_: Any) -> list[str]:
        """Return the first record that is missing, if any.

        The target names it, so that the list of products is made again, and with it all records.
        More of them would only fill the screen.
        """
        records = (*self.scene_records(), *self.scene_raw(), *self.orbit_records())
        return [path for path in records if not Path(path).is_file()][:1]

    @reported
    def tile_records(self, wildcards: Any) -> list[str]:
        """Return the records of the elevation tiles of a glacier."""
        area = self._the_glacier(wildcards).area
        margin_km = self._config.elevation.margin_km
        return [str(TILES / f"{tile.name}.json") for tile in tiles_of_area(area, margin_km)]

    @property
    def geoid_record(self) -> list[str]:
        """Record of the geoid grid, if one is to be fetched."""
        return [f"{GEOID}.json"] if self._config.elevation.geoid_url else []

    @reported
    def elevation_files(self, *_: Any) -> list[str]:
        """Return the elevation models of all glaciers; synthetic glaciers have none."""
        if self._config.sentinel.provider == "synthetic":
            return []
        return [str(ELEVATION / f"{name}.tif") for name in self.glaciers]

    @reported
    def forecast(self, *_: Any) -> str:
        """Return what the target ``scenes`` says: scenes, bytes, days, free disk."""
        return forecast(self._config, len(self.glaciers), self.products.values(), len(self.orbits))


def _inventory_file(name: str) -> Path:
    return INVENTORIES / name / "inventory.jsonl"


def _newest(listed: Iterable[tuple[str, Product]]) -> dict[str, Product]:
    """Return products by name, each as the newest search lists it."""
    newest: dict[str, tuple[str, Product]] = {}
    for searched, product in listed:
        if product.name not in newest or newest[product.name][0] < searched:
            newest[product.name] = (searched, product)
    return {name: product for name, (_, product) in newest.items()}


def _listed(products: Mapping[str, Product], name: str) -> Product:
    """Return a product that somebody asked for by the name of its record."""
    if name not in products:
        raise UserError(name, "is in no inventory of this run", "correct the name")
    return products[name]
