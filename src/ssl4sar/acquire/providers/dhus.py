"""Sentinel products from a Data Hub of the old kind (DHuS), by the library sentinelsat.

The hub of this kind that everybody used, the Copernicus Open Access Hub, closed in 2023; some
national and private ones go on. The library is optional and under the GPL: it is imported only
here, when this provider is used. It resumes and verifies downloads (MD5 or SHA3-256) by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
from shapely.geometry import Polygon

from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.credentials import Account, Credentials, find_credentials
from ssl4sar.acquire.network.exchange import asking_problem, guard
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.network.token_store import remember_refusal, was_refused
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.common import MOST_LISTED
from ssl4sar.acquire.providers.dhus_client import CountingAdapter, hidden, told_lines
from ssl4sar.acquire.providers.dhus_record import product_of_feature
from ssl4sar.acquire.safe.verification import verify_product
from ssl4sar.config.services import DhusConfig
from ssl4sar.core.atomic import NO_SPACE, full_disk
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import bars_allowed, tell

_PLATFORMS: Final[dict[Mission, str]] = {
    "sentinel-1": "Sentinel-1",
    "sentinel-2": "Sentinel-2",
}
#: A hub refuses longer queries than its address may be long; the library tells the share.
_LONGEST_QUERY: Final = 1.0
#: Answers of hubs may be whole web pages.
_LONGEST_TOLD: Final = 300
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
    missions: Final[frozenset[Mission]] = frozenset({"sentinel-1", "sentinel-2"})

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
                f"{config.hub_url} is no https address, and the password goes with every request",
                "give the https address of the hub",
            )
        self._config = config
        self._hub = config.hub_url
        self._host = self._address.host
        self._attempts = attempts
        self._retry_s = retry_s
        self._timeout_s = timeout_s

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all products that the hub lists for a query, each once.

        It is not asked for directions: its attribute is that of the datatake's start.

        Args:
            query: what is looked for.

        Raises:
            UserError: wrong credentials, or the hub refuses, answers nonsense or cannot be reached.
        """
        found: dict[str, Product] = {}
        with self._opened() as api:
            for area in _areas(query):
                for feature in self._features(api, query, area):
                    product = product_of_feature(feature, self._hub)
                    found[product.id] = product
        yield from found.values()

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch a product whole, after the hub has brought it back from its archive if need be.

        Args:
            product: a product of this provider.
            folder: folder of this product alone, kept between tries.
            selection: says nothing here: products are fetched whole.

        Returns:
            ``NAME.zip`` in ``folder``; it agrees with the checksum of the hub, with its manifest
            and with the checksums within.

        Raises:
            MissingProductError: gone, not back from the archive in time, or broken at source.
            UserError: credentials, disk, or a lasting failure of the line.
        """
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{product.name}.zip"
        with self._opened() as api:
            # The name that a server gives may lead anywhere; ours is known.
            api._get_filename = lambda _: archive.name
            if not archive.is_file():
                self._download(api, product, folder)
        try:
            tell(f"{product.name}: {verify_product(archive)}")
        except UserError as error:
            archive.unlink(missing_ok=True)
            raise MissingProductError(
                product.name,
                f"what the hub delivers is damaged: {error.problem}",
                "tell the operators of the hub, or leave it out",
            ) from error
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

        tell(f"{product.name}: asking {self._host} for it")
        free = shutil.disk_usage(folder).free
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
            raise MissingProductError(
                product.name,
                "the product is in the archive of the hub and did not come back within "
                f"{self._config.offline_wait_min:g} minutes",
                "rerun later, or raise dhus.offline_wait_min",
            ) from error
        if isinstance(error, InvalidKeyError):
            raise MissingProductError(
                product.name, "the hub does not have it any more", "refresh the inventory"
            ) from error
        if isinstance(error, InvalidChecksumError):
            raise MissingProductError(
                product.name,
                f"its checksum was wrong {self._attempts} times in a row",
                "tell the operators of the hub, or leave it out",
            ) from error
        raise error or UserError(self._hub, "the download failed without a reason", "rerun")

    @property
    def account(self) -> Account:
        """Where its credentials are looked for."""
        return Account(
            service=f"Data Hub {self._host}",
            user_variable="DHUS_USERNAME",
            password_variable="DHUS_PASSWORD",
            machine=self._host,
            register_url=self._hub,
        )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yield the client; its errors and log lines come out as ours, without the password."""
        from sentinelsat import SentinelAPI

        login = find_credentials(self.account)
        if was_refused(self._hub, login):
            raise self._refused(login)
        api = SentinelAPI(login.user, login.password, self._hub, show_progressbars=bars_allowed())
        api.lta_timeout = self._config.offline_wait_min * 60 or 1e-9  # 0 would mean for ever
        api.dl_retry_delay = self._retry_s
        slots = Slots(f"{self._host} {login.user}", self._config.connections)
        self._adapter = CountingAdapter(self._address, slots, self._timeout_s)
        guard(api.session, self._adapter).auth = (login.user, login.password)
        with self._errors(login), told_lines(login), api.session:
            yield api

    def _refused(self, login: Credentials) -> UserError:
        return UserError(
            self._host,
            f"user name or password of {login.source} refused",
            "correct them; they are not tried again for some minutes, so that the account is not "
            "locked",
        )

    def _strange(self, problem: str) -> UserError:
        return UserError(
            self._hub,
            f"the hub does not answer as a Data Hub should ({problem[:_LONGEST_TOLD]})",
            "check dhus.hub_url and rerun",
        )

    @contextmanager
    def _errors(self, login: Credentials) -> Iterator[None]:
        """Turn errors of the library into ours."""
        from sentinelsat.exceptions import SentinelAPIError, UnauthorizedError

        try:
            yield
        except SentinelAPIError as error:
            response = getattr(error, "response", None)
            if isinstance(error, UnauthorizedError) or getattr(response, "status_code", 0) == 401:
                remember_refusal(self._hub, login)
                raise self._refused(login) from None
            raise self._strange(hidden(str(error), login)) from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            # The library takes the form of answers for granted.
            raise self._strange(f"{type(error).__name__}: {error}") from None
        except requests.RequestException as error:
            raise UserError(
                self._hub, asking_problem(error), "check dhus.hub_url and the line, and rerun"
            ) from None
        except OSError as error:
            if error.errno in NO_SPACE:
                raise full_disk(error.filename or "the folder of the product") from error
            raise


def _areas(query: Query) -> list[str]:
    """Return the parts of the area as WKT: hubs are not at one about polygons in several parts."""
    return [_wkt(part) for part in query.glacier.area.geoms]


def _wkt(part: Polygon) -> str:
    points = ",".join(
        f"{lon:.{_WKT_DIGITS}f} {lat:.{_WKT_DIGITS}f}" for lon, lat in part.exterior.coords
    )
    return f"POLYGON(({points}))"


def _keywords(query: Query) -> dict[str, Any]:
    keywords: dict[str, Any] = {
        "date": (query.start, query.stop),
        "platformname": _PLATFORMS[query.mission],
    }
    if query.mission == "sentinel-1":
        # The hubs' product type GRD does not tell resolutions apart, names do.
        kind = query.product_type.replace("SM_", "S?_")
        keywords["filename"] = f"S1?_{kind}*"
    else:
        keywords["producttype"] = query.product_type
    if query.relative_orbits:
        keywords["relativeorbitnumber"] = set(query.relative_orbits)
    if query.max_cloud_percent is not None and query.mission == "sentinel-2":
        keywords["cloudcoverpercentage"] = (0, query.max_cloud_percent)
    return keywords
