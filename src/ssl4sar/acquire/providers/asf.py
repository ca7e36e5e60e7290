"""Sentinel-1 products from the Alaska Satellite Facility, by the library asf_search.

The catalogue (NASA's CMR) is open; downloads want a free Earthdata account: a token in
EARTHDATA_TOKEN, or a login in the netrc file. The library searches; it neither resumes nor verifies
downloads, so these are done here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import requests

from ssl4sar.acquire.catalogue.orbit_direction import scene_direction
from ssl4sar.acquire.catalogue.product_name import SarName, parse_name, plain_version
from ssl4sar.acquire.earthdata import TOKEN_VARIABLE, EarthdataLogin
from ssl4sar.acquire.network.access import Access, Bearer, FixedToken, require_web_address
from ssl4sar.acquire.network.download import NotThereError, WrongContentError, download
from ssl4sar.acquire.network.exchange import GuardedAdapter, asking_problem, guard, short_answer
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.product import Mission, Product, utc_time
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.common import bounded, known_form, not_found, orbit_direction
from ssl4sar.acquire.providers.odata_record import footprint_of
from ssl4sar.acquire.safe.verification import known_checksums, verify_product
from ssl4sar.config.services import AsfConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell
from ssl4sar.core.retry import FOR_PRODUCTS, Patience

#: Names of the facility for ground range products, dual and single polarisation, by their kind.
_LEVELS: Final = {"GRDH": ("GRD_HD", "GRD_HS"), "GRDM": ("GRD_MD", "GRD_MS")}
_STRIPMAP_BEAMS: Final = ("S1", "S2", "S3", "S4", "S5", "S6")
#: What the library raises about answers of another form.
_NONSENSE: Final = (
    *(AttributeError, IndexError, KeyError, TypeError, ValueError),
    *(OverflowError, RecursionError),
)
_SERVICE_FIX: Final = "check asf.host and the line, and rerun"


class Asf:
    """The Alaska Satellite Facility as a provider; it holds no Sentinel-2.

    Args:
        config: addresses and limits.
        patience: of downloads.
        adapter: sends the questions of the library; None makes one.
    """

    name: Final = "asf"
    missions: Final[frozenset[Mission]] = frozenset({"sentinel-1"})

    def __init__(
        self,
        config: AsfConfig,
        *,
        patience: Patience | None = None,
        adapter: GuardedAdapter | None = None,
    ) -> None:
        self._config = config
        self._patience = patience or FOR_PRODUCTS
        self._adapter = adapter or GuardedAdapter(short_answer(self._patience.timeout_s))

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all products that the facility lists for a query, each once.

        It is not asked for directions: its attribute is that of the datatake's start.

        Args:
            query: what is looked for.

        Raises:
            UserError: the catalogue refuses, answers nonsense or cannot be reached, or Sentinel-2
                is looked for.
        """
        if query.mission not in self.missions:
            raise UserError(
                "provider asf",
                "the Alaska Satellite Facility holds no Sentinel-2",
                "name another provider in sentinel.optical_provider",
            )
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
        """Fetch a product whole, going on where an earlier try stopped.

        Args:
            product: a product of this provider.
            folder: folder of this product alone, kept between tries.
            selection: says nothing here: products are fetched whole.

        Returns:
            ``NAME.zip`` in ``folder``; it agrees with size and MD5 of the catalogue, with its
            manifest and with the checksums within.

        Raises:
            MissingProductError: gone, or broken at source.
            UserError: credentials, disk, a lasting failure of the line, or the facility does not
                find what its catalogue lists.
        """
        archive = folder / f"{product.name}.zip"
        try:
            is_new = not archive.is_file()
            if is_new:
                # Strictly as listed: the facility stores its archives, and lists the MD5 of each.
                download(
                    product.urls["product"],
                    archive,
                    known_checksums(product.checksums),
                    access=self._access(),
                    size_bytes=product.size_bytes,
                    **asdict(self._patience),
                )
            tell(f"{product.name}: {self._verified(product, archive, is_new)}")
        except NotThereError as error:
            listed = self._is_still_listed(product)
            raise not_found(product, error, is_still_listed=listed) from error
        except WrongContentError as error:
            raise MissingProductError(
                product.name,
                f"what the facility delivers is damaged: {error.problem}",
                "log in once at the facility's site, where its terms must be accepted, or leave it "
                "out",
            ) from error
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
        return Access(
            config.download_hosts,
            bearer,
            Slots(f"{host} {os.getuid()}", config.connections),
            elsewhere="anonymous",
        )

    def _is_still_listed(self, product: Product) -> bool:
        with self._errors():
            return any(
                record["properties"]["fileID"] == product.id
                for record in self._listed(product_list=[product.id])
            )

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

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from asf_search.exceptions import ASFError

        host = self._config.host
        try:
            yield
        except requests.RequestException as error:
            raise UserError(host, asking_problem(error), _SERVICE_FIX) from error
        except (*_NONSENSE, ASFError) as error:
            problem = " ".join(str(error).split())[:300]
            raise UserError(
                host, f"it does not answer as the catalogue should ({problem})", _SERVICE_FIX
            ) from error


def product_of_record(record: Mapping[str, Any]) -> Product:
    """Return the product of a GeoJSON feature of asf_search.

    Args:
        record: feature with the properties of the facility.

    Raises:
        KeyError, TypeError, ValueError: it is of another form.
    """
    properties = record["properties"]
    name = parse_name(properties["sceneName"])
    if not isinstance(name, SarName):
        raise ValueError(f"{name.name} is not of Sentinel-1")  # noqa: TRY004 - a wrong value
    start, stop = utc_time(properties["startTime"]), utc_time(properties["stopTime"])
    stated = orbit_direction(properties.get("flightDirection"))
    footprint = footprint_of(record.get("geometry"))
    direction, is_stated = scene_direction(stated, name.platform, start, stop, footprint)
    size_bytes = properties.get("bytes")
    md5 = properties.get("md5sum")
    return Product(
        provider="asf",
        id=str(properties["fileID"]),
        name=name.name,
        mission="sentinel-1",
        platform=name.platform,
        product_type=name.product_type,
        start=start,
        stop=stop,
        mode=name.mode,
        polarisations=name.polarisations,
        relative_orbit=properties.get("pathNumber") or name.relative_orbit,
        orbit_direction=direction,
        direction_stated=is_stated,
        datatake=name.datatake,
        processor_version=plain_version(properties.get("pgeVersion")),
        size_bytes=None if size_bytes is None else int(size_bytes),
        checksums={} if md5 is None else {"md5": str(md5).lower()},
        footprint=footprint,
        urls={"product": str(properties["url"])},
    )
