"""Sentinel-1 products from the Alaska Satellite Facility, by the library asf_search.

The catalogue (NASA's CMR) is open; downloads want a free Earthdata account: a token in
EARTHDATA_TOKEN, or a login in the netrc file. The library searches; it neither resumes nor verifies
downloads, so these are done here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from ssl4sar.acquire.catalogue.footprint import footprint_of
from ssl4sar.acquire.catalogue.record import fields_of, known_form, product_of
from ssl4sar.acquire.earthdata import TOKEN_VARIABLE, EarthdataLogin, account
from ssl4sar.acquire.network.access import Access, Bearer, FixedToken, require_web_address
from ssl4sar.acquire.network.credentials import Account
from ssl4sar.acquire.network.download import WrongContentError, download
from ssl4sar.acquire.network.exchange import GuardedAdapter, guard, short_answer
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.common import bounded, final_failures, library_errors
from ssl4sar.acquire.query import Query, Selection
from ssl4sar.acquire.safe.verification import known_checksums, verify_product
from ssl4sar.config.services import AsfConfig, Services
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log
from ssl4sar.core.retry import FOR_PRODUCTS, Patience

#: Names of the facility for ground range products, dual and single polarisation, by their kind.
_LEVELS: Final = {"GRDH": ("GRD_HD", "GRD_HS"), "GRDM": ("GRD_MD", "GRD_MS")}
_STRIPMAP_BEAMS: Final = ("S1", "S2", "S3", "S4", "S5", "S6")
_FIELDS: Final = {
    "id": "fileID",
    "name": "sceneName",
    "start": "startTime",
    "stop": "stopTime",
    "orbit_direction": "flightDirection",
    "relative_orbit": "pathNumber",
    "processor_version": "pgeVersion",
    "size_bytes": "bytes",
}


class Asf:
    """The Alaska Satellite Facility as a provider; it holds no Sentinel-2.

    Args:
        config: addresses and limits.
        patience: of downloads.
        adapter: sends the questions of the library; None makes one.
    """

    name: Final = "asf"
    missions: Final[frozenset[Mission]] = frozenset({"sentinel-1"})
    library: ClassVar[str | None] = "asf_search"

    def __init__(
        self,
        config: AsfConfig,
        *,
        patience: Patience = FOR_PRODUCTS,
        adapter: GuardedAdapter | None = None,
    ) -> None:
        self._config = config
        self._patience = patience
        self._adapter = adapter or GuardedAdapter(short_answer(patience.timeout_s))

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return the facility of a configuration."""
        import asf_search  # noqa: F401

        return cls(services.asf)

    @classmethod
    def account(cls, services: Services) -> Account:
        """Return the account of Earthdata Login."""
        return account(services.asf.login_url)

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all products that the facility lists for a query, each once.

        It is not asked for directions: its attribute is that of the datatake's start.
        """
        found: dict[str, Product] = {}
        with self._errors():
            # The library would put a hull around polygons in several parts.
            for part in query.glacier.area.geoms:
                for record in bounded(self._records(query, part.wkt), self._config.host):
                    with known_form(self._config.host, "report it to the facility"):
                        product = product_of_record(record)
                    found[product.id] = product
        yield from found.values()

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch ``NAME.zip``; it agrees with the catalogue, its manifest and checksums within."""
        archive = folder / f"{product.name}.zip"
        fix = (
            "log in once at the facility's site, where its terms must be accepted, or leave it out"
        )
        with final_failures(product, self._is_still_listed, fix):
            is_new = not archive.is_file()
            if is_new:
                # Strictly as listed: the facility stores its archives, and lists the MD5 of each.
                download(
                    product.urls["product"],
                    archive,
                    known_checksums(product.checksums),
                    access=self._access(),
                    size_bytes=product.size_bytes,
                    patience=self._patience,
                )
            log(f"{product.name}: {self._verified(product, archive, is_new)}")
        return archive

    def _verified(self, product: Product, archive: Path, is_new: bool) -> str:
        # A new one has just been compared with the catalogue.
        checksums = {} if is_new else product.checksums
        try:
            return str(verify_product(archive, size_bytes=product.size_bytes, checksums=checksums))
        except UserError as error:
            archive.unlink(missing_ok=True)
            raise WrongContentError(product.name, error.problem, error.fix) from error

    def _access(self) -> Access:
        config = self._config
        token = os.environ.get(TOKEN_VARIABLE)
        bearer: Bearer
        if token:
            bearer = FixedToken(token, f"{TOKEN_VARIABLE} in the environment")
        else:
            bearer = EarthdataLogin(config.login_url, timeout_s=self._patience.timeout_s)
        host = require_web_address(config.login_url).host
        slots = Slots(f"{host} {os.getuid()}", config.connections)
        return Access(config.download_hosts, bearer, slots, elsewhere="anonymous")

    def _is_still_listed(self, product: Product) -> bool:
        with self._errors():
            listed = self._listed(product_list=[product.id])
            return any(record["properties"]["fileID"] == product.id for record in listed)

    def _records(self, query: Query, area: str) -> Iterator[Mapping[str, Any]]:
        mode, kind, _ = query.product_type.split("_")
        asked: dict[str, Any] = {
            "dataset": ["SENTINEL-1"],
            "processingLevel": list(_LEVELS[kind]),
            "beamMode": list(_STRIPMAP_BEAMS) if mode == "SM" else [mode],
            "intersectsWith": area,
            "start": query.start,
            "end": query.stop,
        }
        if query.relative_orbits:
            asked["relativeOrbit"] = list(query.relative_orbits)
        return self._listed(**asked)

    def _listed(self, **asked: Any) -> Iterator[Mapping[str, Any]]:
        import asf_search

        # The library would send the searches of its users to the facility when one fails.
        asf_search.REPORT_ERRORS = False
        # The catalogue is open; the library would send the default entry of netrc.
        session = guard(asf_search.ASFSession(), self._adapter)
        options = asf_search.ASFSearchOptions(host=self._config.host, session=session)
        for page in asf_search.search_generator(opts=options, **asked):
            yield from (result.geojson() for result in page)
            if not page and not page.searchComplete:
                raise ValueError("a page of its list is empty before the end")

    def _errors(self) -> AbstractContextManager[None]:
        from asf_search.exceptions import ASFError

        return library_errors(self._config.host, "the catalogue", "asf.host", (ASFError,))


def product_of_record(record: Mapping[str, Any]) -> Product:
    """Return the product of a GeoJSON feature of asf_search.

    Raises:
        KeyError, TypeError, ValueError: it is of another form.
    """
    properties = record["properties"]
    md5 = properties.get("md5sum")
    more = {
        "footprint": footprint_of(record.get("geometry")),
        "checksums": {} if md5 is None else {"md5": str(md5).lower()},
        "urls": {"product": str(properties["url"])},
    }
    return product_of("asf", fields_of(properties, _FIELDS) | more)
