"""Sentinel products from a Data Hub of the old kind (DHuS), by the library sentinelsat.

The hub of this kind that everybody used, the Copernicus Open Access Hub, closed in 2023; some
national and private ones still run. The library is optional and under the GPL: it is imported only
here, when this provider is used. It resumes and verifies downloads (MD5 or SHA3-256) by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from shapely.geometry import Polygon

from ssl4sar.acquire.catalogue.footprint import footprint_of
from ssl4sar.acquire.catalogue.record import fields_of, known_form, product_of
from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.credentials import Account, Credentials, find_credentials
from ssl4sar.acquire.network.exchange import guard
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.network.token_store import remember_refusal, require_unrefused
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.common import BOTH_MISSIONS, MOST_LISTED, library_errors
from ssl4sar.acquire.providers.dhus_client import CountingAdapter, hidden, library_lines
from ssl4sar.acquire.query import MissingProductError, Query, Selection
from ssl4sar.acquire.safe.verification import verify_product
from ssl4sar.config.services import DhusConfig, Services
from ssl4sar.core.atomic import NO_SPACE, full_disk
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import bars_allowed, log
from ssl4sar.core.space import free_bytes

_FIELDS: Final = {
    "id": "id",
    "name": "identifier",
    "start": "beginposition",
    "stop": "endposition",
    "orbit_direction": "orbitdirection",
    "relative_orbit": "relativeorbitnumber",
    "cloud_percent": "cloudcoverpercentage",
}
_UNITS: Final = {"B": 0, "KB": 1, "MB": 2, "GB": 3, "TB": 4}
_SIZE: Final = re.compile(r"([0-9.]+) ?([KMGT]?B)")
#: A hub refuses longer queries than its address may be long; the library says the share.
_LONGEST_QUERY: Final = 1.0
#: About 10 m: enough for an area, and shorter.
_WKT_DIGITS: Final = 4
_ROUNDED_BYTES: Final = 64_000_000


class Dhus:
    """A Data Hub as a provider.

    Args:
        config: address and limits.
        attempts: tries to download a product before it counts as broken at its source.
        retry_s: seconds between two tries.
        timeout_s: longest silence of the hub.

    Raises:
        UserError: there is no address, or one to which a password would go unprotected.
    """

    name: Final = "dhus"
    missions: Final[frozenset[Mission]] = BOTH_MISSIONS
    library: ClassVar[str | None] = "sentinelsat"

    def __init__(
        self,
        config: DhusConfig,
        *,
        attempts: int = 4,
        retry_s: float = 10.0,
        timeout_s: float = 120.0,
    ) -> None:
        if config.hub_url is None:
            raise UserError(
                "dhus.hub_url",
                "it is missing, and there is no default: the Copernicus Open Access Hub, which "
                "sentinelsat was made for, closed in 2023",
                "give the address of a hub that still works, or use its successor, the Copernicus "
                "Data Space, by sentinel.provider: cdse",
            )
        self._address = require_web_address(config.hub_url)
        if not self._address.is_safe:
            raise UserError(
                "dhus.hub_url",
                f"{config.hub_url} is not an https address; the password goes with every request",
                "give the https address of the hub",
            )
        self._config = config
        self._hub = config.hub_url
        self._host = self._address.host
        self._account = Account(
            service=f"Data Hub {self._host}",
            user_variable="DHUS_USERNAME",
            password_variable="DHUS_PASSWORD",
            machine=self._host,
            register_url=self._hub,
        )
        self._attempts = attempts
        self._retry_s = retry_s
        self._timeout_s = timeout_s

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return the hub of a configuration."""
        import sentinelsat  # noqa: F401

        return cls(services.dhus)

    @classmethod
    def account(cls, services: Services) -> Account:
        """Return the account of the hub."""
        return cls(services.dhus)._account

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all products that the hub lists for a query, each once.

        It is not asked for directions: its attribute is that of the datatake's start.
        """
        found: dict[str, Product] = {}
        with self._opened() as api:
            # Hubs do not agree about polygons in several parts.
            for part in query.glacier.area.geoms:
                for feature in self._features(api, query, _wkt(part)):
                    with known_form(self._hub, "use another hub"):
                        product = product_of_feature(feature)
                    found[product.id] = product
        yield from found.values()

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch ``NAME.zip``, after the hub has brought it back from its archive if need be.

        It agrees with the checksum of the hub, with its manifest and with the checksums within.
        """
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{product.name}.zip"
        with self._opened() as api:
            # The name that a server gives may lead anywhere; ours is known.
            api._get_filename = lambda _: archive.name
            if not archive.is_file():
                self._download(api, product, folder)
        try:
            log(f"{product.name}: {verify_product(archive)}")
        except UserError as error:
            archive.unlink(missing_ok=True)
            problem = f"what the hub delivers is damaged: {error.problem}"
            raise _missing(product, problem) from error
        return archive

    def _features(self, api: Any, query: Query, area: str) -> list[dict[str, Any]]:
        keywords = _keywords(query)
        if api.check_query_length(api.format_query(area=area, **keywords)) > _LONGEST_QUERY:
            raise UserError(
                f"{query.glacier.name}: its area",
                "has so many corners that the query is too long for the hub",
                "give a simpler polygon",
            )
        listed = api.query(area=area, order_by="+beginposition", limit=MOST_LISTED, **keywords)
        count = api.count(area=area, **keywords)
        if len(listed) != count:
            raise UserError(
                self._hub,
                f"the hub listed {len(listed)} products of {count}",
                "rerun; if it stays, ask for a shorter time",
            )
        try:
            features: list[dict[str, Any]] = list(api.to_geojson(listed)["features"])
        except KeyError as error:
            raise UserError(
                self._hub, f"a product of its answer has no {error}", "use another hub"
            ) from error
        return features

    def _download(self, api: Any, product: Product, folder: Path) -> None:
        from sentinelsat.exceptions import InvalidChecksumError, InvalidKeyError, LTAError

        log(f"{product.name}: asking {self._host} for it")
        free = free_bytes(folder)
        # The size comes in words, rounded.
        listed = 2 * product.size_bytes + _ROUNDED_BYTES if product.size_bytes else free
        self._adapter.most_bytes = min(listed, free)
        result = api.download_all(
            [product.id],
            directory_path=folder,
            max_attempts=self._attempts,
            lta_retry_delay=self._config.offline_poll_s,
        )
        if product.id in result.downloaded:
            return
        info = {**result.retrieval_triggered, **result.failed}.get(product.id, {})
        error = info.get("exception")
        if isinstance(error, LTAError):
            raise _missing(
                product,
                "the product is in the archive of the hub and did not come back within "
                f"{self._config.offline_wait_min:g} minutes",
                "rerun later, or raise dhus.offline_wait_min",
            ) from error
        if isinstance(error, InvalidKeyError):
            problem = "the hub does not have it any more"
            raise _missing(product, problem, "refresh the inventory") from error
        if isinstance(error, InvalidChecksumError):
            problem = f"its checksum was wrong {self._attempts} times in a row"
            raise _missing(product, problem) from error
        raise error or UserError(self._hub, "the download failed without a reason", "rerun")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yield the client; its errors and log lines come out as ours, without the password."""
        from sentinelsat import SentinelAPI

        login = find_credentials(self._account)
        require_unrefused(self._hub, login)
        api = SentinelAPI(login.user, login.password, self._hub, show_progressbars=bars_allowed())
        api.lta_timeout = self._config.offline_wait_min * 60 or 1e-9  # 0 would mean for ever
        api.dl_retry_delay = self._retry_s
        slots = Slots(f"{self._host} {login.user}", self._config.connections)
        self._adapter = CountingAdapter(self._address, slots, self._timeout_s)
        guard(api.session, self._adapter).auth = (login.user, login.password)
        with self._errors(login), library_lines(login), api.session:
            yield api

    @contextmanager
    def _errors(self, login: Credentials) -> Iterator[None]:
        """Turn errors of the library into ours."""
        from sentinelsat.exceptions import SentinelAPIError, UnauthorizedError

        def shown(text: str) -> str:
            return hidden(text, login)

        hub = (self._hub, "a Data Hub", "dhus.hub_url")
        try:
            with library_errors(*hub, errors=(SentinelAPIError,), shown=shown):
                try:
                    yield
                except SentinelAPIError as error:
                    status = getattr(getattr(error, "response", None), "status_code", 0)
                    if isinstance(error, UnauthorizedError) or status == 401:
                        raise remember_refusal(self._hub, login) from None
                    raise
        except OSError as error:
            if error.errno in NO_SPACE:
                raise full_disk(error.filename or "the folder of the product") from error
            raise


def product_of_feature(feature: Mapping[str, Any]) -> Product:
    """Return the product of a feature of sentinelsat's ``to_geojson``.

    The size is what the hub says in words ("1.62 GB"), so it is good for a forecast only.

    Raises:
        KeyError, TypeError, ValueError: a property is missing or of another form.
    """
    properties = feature["properties"]
    size = _SIZE.fullmatch(properties.get("size") or "")
    more = {
        "stop": properties.get("endposition", properties.get("beginposition")),
        "size_bytes": size and int(float(size[1]) * 1024 ** _UNITS[size[2]]),
        "footprint": footprint_of(feature["geometry"]),
    }
    return product_of("dhus", fields_of(properties, _FIELDS) | more)


def _missing(
    product: Product,
    problem: str,
    fix: str = "report it to the operators of the hub, or leave it out",
) -> MissingProductError:
    return MissingProductError(product.name, problem, fix)


def _wkt(part: Polygon) -> str:
    points = ",".join(
        f"{lon:.{_WKT_DIGITS}f} {lat:.{_WKT_DIGITS}f}" for lon, lat in part.exterior.coords
    )
    return f"POLYGON(({points}))"


def _keywords(query: Query) -> dict[str, Any]:
    keywords: dict[str, Any] = {
        "date": (query.start, query.stop),
        "platformname": query.mission.capitalize(),
    }
    if query.mission == "sentinel-1":
        # The hubs' product type GRD does not distinguish resolutions, names do.
        kind = query.product_type.replace("SM_", "S?_")
        keywords["filename"] = f"S1?_{kind}*"
    else:
        keywords["producttype"] = query.product_type
    if query.relative_orbits:
        keywords["relativeorbitnumber"] = set(query.relative_orbits)
    if query.max_cloud_percent is not None and query.mission == "sentinel-2":
        keywords["cloudcoverpercentage"] = (0, query.max_cloud_percent)
    return keywords
