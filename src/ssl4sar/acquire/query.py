"""What is looked for, and what every source of Sentinel products offers: search and fetch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.product import Mission, OrbitDirection, Product
from ssl4sar.core.errors import UserError


@dataclass(frozen=True)
class Query:
    """What is looked for.

    Attributes:
        glacier: glacier with the area that products must touch.
        mission: sentinel-1 or sentinel-2.
        product_type: e.g. IW_GRDH_1S or S2MSI2A.
        start: products that start at or after this time, UTC.
        stop: and before this time, UTC.
        orbit_direction: None takes both.
        relative_orbits: empty takes all.
        polarisations: products with at least one of these; empty takes all.
        max_cloud_percent: None takes all.
    """

    glacier: Glacier
    mission: Mission
    product_type: str
    start: datetime
    stop: datetime
    orbit_direction: OrbitDirection | None = None
    relative_orbits: tuple[int, ...] = ()
    polarisations: tuple[str, ...] = ()
    max_cloud_percent: float | None = None


@dataclass(frozen=True)
class Selection:
    """Which files of a product are wanted, where the service can serve single files.

    Attributes:
        polarisation: of the measurement: HH, HV, VV, VH or copolar (HH or VV, what there is).
        bands: assets of an optical product; empty takes those that the pretraining reads.
    """

    polarisation: str = "copolar"
    bands: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A product that was found and not taken.

    Attributes:
        name: of the product.
        reason: a word for counting, e.g. duplicate.
        detail: a phrase for people.
    """

    name: str
    reason: str
    detail: str = ""


class MissingProductError(UserError):
    """A product that is unavailable, however often one asks: gone, offline, broken at source."""


class Provider(Protocol):
    """A source of products."""

    @property
    def name(self) -> str:
        """Name in the configuration."""

    @property
    def missions(self) -> frozenset[Mission]:
        """Missions that it holds."""

    def search(self, query: Query) -> Iterator[Product | LeftOut]:
        """Yield all that the source lists when it is asked, each once, in any order.

        A provider may ask for less than everything, but drops nothing of the answer: whether a
        product belongs to the query is decided in one place,
        :func:`ssl4sar.acquire.catalogue.search.search_glacier`, which records the reason.

        Args:
            query: what is looked for.

        Yields:
            Products, and what looks like one and cannot be used, with the reason.

        Raises:
            UserError: the service refuses, answers nonsense or cannot be reached.
        """

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch a product, resuming where an earlier try stopped.

        Args:
            product: a product of this provider.
            folder: folder of this product alone, left as it is between tries.
            selection: files that are wanted; says nothing where products are fetched whole.

        Returns:
            What was fetched, within ``folder``: a folder ``NAME.SAFE``, a file ``NAME.zip``, or
            ``folder`` itself with single images. Every file is verified.

        Raises:
            MissingProductError: it will never be there: gone, offline, or broken at source.
            UserError: something that the user can fix, e.g. credentials or disk, or a lasting
                failure of the line or service.
        """
