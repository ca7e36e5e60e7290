"""Single images of Sentinel products from a STAC API, by the library pystac-client.

The usual ones serve Sentinel-2 L2A bands as cloud-optimised GeoTIFF without an account. Of
Sentinel-1 GRD they list measurements that often are in a storage with accounts of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from ssl4sar.acquire.catalogue.record import known_form
from ssl4sar.acquire.network.access import MACHINE_LOGIN, Access, require_web_address
from ssl4sar.acquire.network.download import NotThereError, WrongContentError, download
from ssl4sar.acquire.network.exchange import GuardedAdapter, guard, short_answer
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.common import BOTH_MISSIONS, bounded, library_errors, usable
from ssl4sar.acquire.providers.stac_item import (
    ITEM_ROLE,
    file_name,
    optical_assets,
    product_of_item,
    sar_assets,
)
from ssl4sar.acquire.query import MissingProductError, Query, Selection
from ssl4sar.acquire.safe.decoding import decoding_problem
from ssl4sar.acquire.safe.verification import DamagedProductError, known_checksums
from ssl4sar.config.services import Services, StacConfig
from ssl4sar.core.address import Address, AddressError, parse_address
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum, file_digests
from ssl4sar.core.pair_layout import CHANNELS
from ssl4sar.core.progress import log
from ssl4sar.core.retry import FOR_PRODUCTS, Patience

_PAGE_SIZE: Final = 100
#: Search engines count exactly up to here.
_COUNTED: Final = 10_000
#: Tries of one question to the catalogue.
_ATTEMPTS: Final = 6


class Stac:
    """A STAC API as a provider.

    Args:
        config: address, collections, assets.
        patience: of downloads.
    """

    name: Final = "stac"
    missions: Final[frozenset[Mission]] = BOTH_MISSIONS
    library: ClassVar[str | None] = "pystac_client"

    def __init__(self, config: StacConfig, *, patience: Patience = FOR_PRODUCTS) -> None:
        self._config = config
        self._patience = patience
        self._address = require_web_address(config.url)
        host = self._address.host
        self._access = Access(config.hosts, slots=Slots(f"{host} anonymous", config.connections))

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return the API of a configuration."""
        import pystac_client  # noqa: F401

        return cls(services.stac)

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all items that the API lists for a query, each once.

        Raises:
            UserError: as the interface says, or no product can be fetched without an account of the
                storage.
        """
        found = self._found(query)
        closed = [product for product in found.values() if not _open_measurements(product)]
        if closed and len(closed) == len(found):
            raise self._storage_error(closed[0])
        yield from found.values()

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch the wanted assets of a product, one file each.

        Assets whose checksum the catalogue lists are compared with it; others must be images, XML
        or JSON that can be decoded whole. The item itself is stored as ``item.json``: it holds the
        scale and offset of the bands. Lists of assets in the configuration go before the selection.
        """
        assets = self._wanted(product, selection)
        for asset in assets:
            if not _is_open(product.urls[asset]):
                raise self._storage_error(product, asset)
        if ITEM_ROLE in product.urls and _is_open(product.urls[ITEM_ROLE]):
            self._fetch_file(product, ITEM_ROLE, folder / "item.json")
        for asset in assets:
            try:
                name = file_name(asset, product.urls[asset])
            except ValueError as error:
                raise MissingProductError(product.name, str(error), "leave it out") from error
            self._fetch_file(product, asset, folder / name)
        log(f"{product.name}: {len(assets)} files")
        return folder

    def _is_own(self, address: Address) -> bool:
        return address.origin == self._address.origin

    def _found(self, query: Query) -> dict[str, Product]:
        """Return all products that the API lists, by identifier; the first of each counts."""
        from pystac_client import Client
        from pystac_client.stac_api_io import StacApiIO

        config = self._config
        is_sar = query.mission == "sentinel-1"
        asked: dict[str, Any] = {
            "collections": [config.sar_collection if is_sar else config.optical_collection],
            "intersects": query.glacier.geojson,
            "datetime": [query.start, query.stop],
            "limit": _PAGE_SIZE,
        }
        with self._errors(), warnings.catch_warnings():
            # What the API does not declare is found out by asking.
            warnings.simplefilter("ignore")
            line = StacApiIO(timeout=self._patience.timeout_s)
            limits = short_answer(self._patience.timeout_s)
            patience = replace(self._patience, attempts=_ATTEMPTS)
            guard(line.session, GuardedAdapter(limits, self._is_own, patience))
            # The library would send the default entry of netrc.
            line.session.auth = MACHINE_LOGIN
            client = Client.open(config.url, stac_io=line)
            if query.max_cloud_percent is not None and not is_sar and client.conforms_to("QUERY"):
                asked["query"] = {"eo:cloud_cover": {"lte": query.max_cloud_percent}}
            search = client.search(**asked)
            count = search.matched()
            found: dict[str, Product] = {}
            listed = 0
            for item in bounded(search.items_as_dicts(), config.url):
                listed += 1
                with known_form(config.url, "use another collection or API"):
                    product = product_of_item(item)
                found.setdefault(product.id, product)
        log(f"{self._address.host}: {listed} items for {query.glacier.name}")
        if count is not None and listed < min(count, _COUNTED):
            raise UserError(
                config.url,
                f"the API listed {listed} items of {count}",
                "rerun; if it stays, ask for a shorter time",
            )
        return found

    def _errors(self) -> AbstractContextManager[None]:
        from pystac import STACError
        from pystac_client.exceptions import APIError

        return library_errors(self._config.url, "a STAC API", "stac.url", (APIError, STACError))

    def _wanted(self, product: Product, selection: Selection) -> tuple[str, ...]:
        config = self._config
        is_sar = product.mission == "sentinel-1"
        given = config.sar_assets if is_sar else config.optical_assets
        try:
            if given:
                # Looking each up also finds out whether it is there.
                return tuple(asset for asset in given if product.urls[asset])
            if is_sar:
                return sar_assets(product.urls, selection.polarisation)
            return optical_assets(product.urls, selection.bands or CHANNELS)
        except KeyError as error:
            there = ", ".join(sorted(product.urls))
            raise MissingProductError(
                product.name,
                f"it has no asset for {error.args[0]}, only {there}",
                "correct stac.sar_assets or stac.optical_assets, then refresh the inventory",
            ) from error

    def _fetch_file(self, product: Product, asset: str, target: Path) -> None:
        checksums = known_checksums(_of_asset(product, asset))
        url = product.urls[asset]

        def fetch() -> None:
            download(url, target, checksums, access=self._access, patience=self._patience)

        def read() -> None:
            problem = _problem(target, checksums)
            if problem is not None:
                raise DamagedProductError(url, problem, "rerun later")

        try:
            usable(f"{product.name}: asset {asset}", target, fetch, read)
        except NotThereError as error:
            if asset == ITEM_ROLE:
                raise MissingProductError(
                    product.name,
                    f"the API does not have it any more ({error.problem})",
                    "refresh the inventory, or leave it out",
                ) from error
            # A storage says so too of what it has but gives to signed addresses only: that a
            # product has gone shows where the API itself does not find its item any more.
            raise UserError(
                product.urls[asset].partition("?")[0],
                f"asset {asset} of {product.name} is not found though the API lists it: many "
                "storages answer so to an address that is not signed",
                "use an API with open assets in stac.url, or one that lists signed addresses "
                "(those of the Planetary Computer want ?TOKEN from its service sas/v1/token); if "
                "the asset is really gone, refresh the inventory or name the product in "
                "acquisition.leave_out",
            ) from error
        except (WrongContentError, DamagedProductError) as error:
            raise MissingProductError(
                product.name,
                f"asset {asset} is damaged: {error.problem}",
                "refresh the inventory, or leave it out",
            ) from error

    def _storage_error(self, product: Product, asset: str | None = None) -> UserError:
        assets = [asset] if asset else [*_measurements(product), *product.urls]
        place = product.urls[assets[0]] if assets else "an unknown place"
        return UserError(
            product.name,
            f"its images are at {place}, in a storage that wants an account of its own (and the "
            "requester pays)",
            "use another API in stac.url, or provider cdse or asf",
        )


def _measurements(product: Product) -> list[str]:
    if product.mission == "sentinel-1":
        return [each.lower() for each in product.polarisations if each.lower() in product.urls]
    try:
        return list(optical_assets(product.urls, ("B4",)))
    except KeyError:
        return []


def _open_measurements(product: Product) -> bool:
    return any(_is_open(product.urls[asset]) for asset in _measurements(product))


def _is_open(url: str) -> bool:
    try:
        parse_address(url)
    except AddressError:
        return False
    return True


def _of_asset(product: Product, asset: str) -> dict[str, str]:
    listed = ((*key.partition("/"), digits) for key, digits in product.checksums.items())
    return {algorithm: digits for algorithm, _, owner, digits in listed if owner == asset}


def _problem(path: Path, checksums: list[Checksum]) -> str | None:
    """Return what is wrong with a file."""
    if not checksums:
        return decoding_problem(path)
    digests = file_digests(path, {each.algorithm for each in checksums})
    agrees = all(digests[each.algorithm] == each.digits for each in checksums)
    return None if agrees else "another checksum"
