"""Precise orbits of Sentinel-1: which file belongs to a product, and whether it is what it says.

POEORB files come about three weeks after the acquisition and cover 26 hours, RESORB files come
after three hours and cover two orbits. Both hold a state vector every ten seconds.

A file is taken if it covers a product and a minute before and after. State vectors are interpolated
in time, for which a handful on either side of the scene is enough: a minute has six. Half an orbit
more, as some programs ask for, would serve only to find the node crossing, which no product needs
whose orbit number is known; it would leave scenes at the ends of a RESORB file without an orbit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, Protocol, Self

from ssl4sar.acquire.catalogue.product_name import time_in_name
from ssl4sar.acquire.catalogue.record import checksums_of, known_form
from ssl4sar.acquire.product import Product
from ssl4sar.core.progress import log

OrbitKind = Literal["POEORB", "RESORB"]
#: Time before and after a product that its orbit file must cover too: six state vectors.
ORBIT_MARGIN: Final = timedelta(seconds=60)
#: Kinds from the best on. A file starts at most this long before a product that it covers: its own
#: length, and an hour.
_LONGEST: Final[dict[OrbitKind, timedelta]] = {
    "POEORB": timedelta(hours=27),
    "RESORB": timedelta(hours=4, minutes=30),
}
_NAME: Final = re.compile(
    r"(S1[A-Z])_OPER_AUX_(POEORB|RESORB)_[A-Z0-9]{4}"
    r"_(\d{8}T\d{6})_V(\d{8}T\d{6})_(\d{8}T\d{6})(?:\.EOF)?"
)
_NAMES_TOLD: Final = 3


class Catalogue(Protocol):
    """The catalogue that is asked for orbit files."""

    def records(
        self, filters: Sequence[str], start: datetime, stop: datetime
    ) -> Iterator[dict[str, Any]]:
        """Yield the records whose content starts at or after ``start`` and before ``stop``."""


class Mirror(Protocol):
    """Orbit files that are there already."""

    def orbit_files(
        self, platform: str, kind: OrbitKind, start: datetime, stop: datetime
    ) -> Iterator[Product]:
        """Yield the files whose validity starts at or after ``start`` and before ``stop``."""


@dataclass(frozen=True)
class OrbitName:
    """What the name of an orbit file says.

    Attributes:
        platform: e.g. S1A.
        kind: POEORB (precise) or RESORB (restituted).
        created: when it was made, UTC.
        start: begin of its validity, UTC.
        stop: end of its validity, UTC.
    """

    platform: str
    kind: OrbitKind
    created: datetime
    start: datetime
    stop: datetime

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name, with or without ``.EOF``.

        Raises:
            ValueError: it is not the name of an orbit file of Sentinel-1.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is not the name of an orbit file")
        created, start, stop = map(time_in_name, match.groups()[2:])
        if start >= stop:
            raise ValueError(f"{name!r}: its validity ends before it begins")
        kind: OrbitKind = "POEORB" if match[2] == "POEORB" else "RESORB"
        return cls(match[1], kind, created, start, stop)

    def product(self, **known: Any) -> Product:
        """Return the file as a product; ``known`` is what its name does not say.

        Raises:
            ValueError: a value is not one of a product.
        """
        return Product(
            mission="sentinel-1",
            platform=self.platform,
            product_type=f"AUX_{self.kind}",
            start=self.start,
            stop=self.stop,
            **known,
        )

    def spare(self, product: Product) -> timedelta:
        """Return the time that it covers before or after a product, whichever is shorter."""
        return min(product.start - self.start, self.stop - product.stop)

    def covers(self, product: Product) -> bool:
        """Return whether it holds the orbit of a product and its margin."""
        return self.platform == product.platform and self.spare(product) >= ORBIT_MARGIN


_Source = Callable[[str, OrbitKind, datetime, datetime], Iterable[Product]]


def choose_orbits(
    products: Sequence[Product], catalogue: Catalogue, mirror: Mirror | None = None
) -> tuple[list[Product], dict[str, str]]:
    """Choose an orbit file for each Sentinel-1 product.

    Precise files go first; of several the one made last. Where there is none yet, a restituted one:
    of several the one that reaches farthest beyond both ends of the product, then the one made
    last. A mirror is looked through first; the catalogue is asked for what it lacks, once per
    satellite, month and kind.

    Args:
        products: products; those of other missions have no orbit files.
        catalogue: OData catalogue of the Copernicus Data Space Ecosystem, which lists orbit files
            to everybody; only fetching them needs an account.
        mirror: orbit files on this machine.

    Returns:
        Orbit files as products, by name, each once; and the name of the file by that of the
        product. Products without a file are reported and are not in it.

    Raises:
        UserError: the catalogue cannot be asked.
    """
    scenes = [product for product in products if product.mission == "sentinel-1"]
    chosen: dict[str, Product] = {}
    sources: list[_Source] = [partial(_catalogued, catalogue)]
    if mirror is not None:
        sources.insert(0, mirror.orbit_files)
    for kind in _LONGEST:
        for source in sources:
            lacking = [scene for scene in scenes if scene.name not in chosen]
            chosen |= _choose(lacking, kind, source)
    missing = [scene.name for scene in scenes if scene.name not in chosen]
    if missing:
        more = len(missing) - _NAMES_TOLD
        names = ", ".join(missing[:_NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")
        log(f"no orbit file yet for {len(missing)} of {len(scenes)} products: {names}")
    files = {file.name: file for file in chosen.values()}
    return (
        [files[name] for name in sorted(files)],
        {product: chosen[product].name for product in sorted(chosen)},
    )


def _choose(scenes: Sequence[Product], kind: OrbitKind, source: _Source) -> dict[str, Product]:
    """Return the best file of a kind by the name of the product; some have none."""
    groups: dict[tuple[str, int, int], list[Product]] = defaultdict(list)
    for scene in scenes:
        start = scene.start.astimezone(UTC)
        groups[scene.platform, start.year, start.month].append(scene)
    chosen = {}
    for (platform, _, _), members in sorted(groups.items()):
        first = min(scene.start for scene in members) - ORBIT_MARGIN - _LONGEST[kind]
        last = max(scene.start for scene in members) - ORBIT_MARGIN + timedelta(seconds=1)
        files = {file.name: file for file in source(platform, kind, first, last)}
        names = {name: OrbitName.parse(name) for name in files}
        for scene in members:
            fitting = [name for name in files if names[name].covers(scene)]
            if fitting:
                ranks = {name: _rank(names[name], scene) for name in fitting}
                chosen[scene.name] = files[max(fitting, key=lambda name: (ranks[name], name))]
    return chosen


def _rank(name: OrbitName, scene: Product) -> tuple[Any, ...]:
    """Return what makes one of several files the better."""
    spare = name.spare(scene)
    return (name.created, spare) if name.kind == "POEORB" else (spare, name.created)


def _catalogued(
    catalogue: Catalogue, platform: str, kind: OrbitKind, start: datetime, stop: datetime
) -> Iterator[Product]:
    for record in catalogue.records(orbit_filters(platform, kind), start, stop):
        file = _file(record, kind)
        if file is not None:
            yield file


def orbit_filters(platform: str, kind: OrbitKind) -> list[str]:
    """Return the conditions of the catalogue for orbit files of a satellite.

    Args:
        platform: e.g. S1A.
        kind: POEORB or RESORB.
    """
    return [
        "Collection/Name eq 'SENTINEL-1'",
        "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
        f"att/OData.CSC.StringAttribute/Value eq 'AUX_{kind}')",
        f"startswith(Name,'{platform}_')",
    ]


def _file(record: Mapping[str, Any], kind: OrbitKind) -> Product | None:
    """Return the file of a record; None of another kind, and of what cannot be fetched."""
    name, identifier = record.get("Name"), record.get("Id")
    if not isinstance(name, str) or not isinstance(identifier, str):
        return None
    if record.get("Online") is False:
        return None
    try:
        parsed = OrbitName.parse(name)
    except ValueError:
        return None
    if parsed.kind != kind:
        return None
    size = record.get("ContentLength")
    with known_form("the catalogue of orbit files", "report it to the service"):
        return parsed.product(
            provider="cdse",
            id=identifier,
            name=name.removesuffix(".EOF"),
            size_bytes=size if isinstance(size, int) and size > 0 else None,
            checksums=checksums_of(record),
        )
