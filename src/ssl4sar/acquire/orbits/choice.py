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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, Protocol, Self

from ssl4sar.acquire.catalogue.record import checksums_of, known_form
from ssl4sar.acquire.product import Product
from ssl4sar.core.progress import tell

OrbitKind = Literal["POEORB", "RESORB"]
#: Time before and after a product that its orbit file must cover too: six state vectors.
ORBIT_MARGIN: Final = timedelta(seconds=60)
#: A file starts at most this long before a product that it covers: its own length, and an hour.
_LONGEST: Final[dict[OrbitKind, timedelta]] = {
    "POEORB": timedelta(hours=27),
    "RESORB": timedelta(hours=4, minutes=30),
}
_MOMENT: Final = timedelta(seconds=1)
_TIME: Final = "%Y%m%dT%H%M%S"
_NAME: Final = re.compile(
    r"(S1[A-Z])_OPER_AUX_(POEORB|RESORB)_[A-Z0-9]{4}"
    r"_(\d{8}T\d{6})_V(\d{8}T\d{6})_(\d{8}T\d{6})(?:\.EOF)?"
)
#: Times before and after these are marks, such as 9999-12-31 for "for ever".
_YEARS: Final = range(2014, 2100)
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
    """What the name of an orbit file tells.

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
            ValueError: it is not the name of an orbit file of Sentinel-1, or of one that lasts
                longer than such files do or has other times that stand for something else.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is no name of an orbit file")
        created, start, stop = (
            datetime.strptime(text, _TIME).replace(tzinfo=UTC) for text in match.groups()[2:]
        )
        if start >= stop:
            raise ValueError(f"{name!r}: its validity ends before it begins")
        kind: OrbitKind = "POEORB" if match[2] == "POEORB" else "RESORB"
        if (
            not {created.year, start.year, stop.year} <= set(_YEARS)
            or stop - start > _LONGEST[kind]
        ):
            raise ValueError(f"{name!r}: its times are not those of an orbit file")
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


@dataclass(frozen=True)
class _Candidate:
    told: OrbitName
    file: Product


def _by_age(candidate: _Candidate, scene: Product) -> tuple[Any, ...]:
    told = candidate.told
    return told.created, told.spare(scene), candidate.file.name


def _by_spare(candidate: _Candidate, scene: Product) -> tuple[Any, ...]:
    told = candidate.told
    return told.spare(scene), told.created, candidate.file.name


_Rank = Callable[[_Candidate, Product], tuple[Any, ...]]
_Source = Callable[[str, OrbitKind, datetime, datetime], list[_Candidate]]
#: Kinds of files from the best on, and what makes one of several the better.
_ORDER: Final[dict[OrbitKind, _Rank]] = {"POEORB": _by_age, "RESORB": _by_spare}


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
        product. Products without a file are told and are not in it.

    Raises:
        UserError: the catalogue cannot be asked.
    """
    scenes = [product for product in products if product.mission == "sentinel-1"]
    chosen: dict[str, Product] = {}
    sources: list[_Source] = [partial(_catalogued, catalogue)]
    if mirror is not None:
        sources.insert(0, partial(_mirrored, mirror))
    for kind, rank in _ORDER.items():
        for source in sources:
            lacking = [scene for scene in scenes if scene.name not in chosen]
            chosen |= _choose(lacking, kind, rank, source)
    missing = [scene.name for scene in scenes if scene.name not in chosen]
    if missing:
        more = len(missing) - _NAMES_TOLD
        names = ", ".join(missing[:_NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")
        tell(f"no orbit file yet for {len(missing)} of {len(scenes)} products: {names}")
    files = {file.name: file for file in chosen.values()}
    return (
        [files[name] for name in sorted(files)],
        {product: chosen[product].name for product in sorted(chosen)},
    )


def _choose(
    scenes: Sequence[Product],
    kind: OrbitKind,
    rank: _Rank,
    source: _Source,
) -> dict[str, Product]:
    """Return the best file of a kind by the name of the product; some have none."""
    groups: dict[tuple[str, int, int], list[Product]] = defaultdict(list)
    for scene in scenes:
        start = scene.start.astimezone(UTC)
        groups[scene.platform, start.year, start.month].append(scene)
    chosen = {}
    for (platform, _, _), members in sorted(groups.items()):
        first = min(scene.start for scene in members) - ORBIT_MARGIN - _LONGEST[kind]
        last = max(scene.start for scene in members) - ORBIT_MARGIN + _MOMENT
        candidates = source(platform, kind, first, last)
        for scene in members:
            fitting = [each for each in candidates if each.told.covers(scene)]
            if fitting:
                chosen[scene.name] = max(fitting, key=lambda each: rank(each, scene)).file
    return chosen


def _catalogued(
    catalogue: Catalogue, platform: str, kind: OrbitKind, start: datetime, stop: datetime
) -> list[_Candidate]:
    candidates: dict[str, _Candidate] = {}
    for record in catalogue.records(orbit_filters(platform, kind), start, stop):
        candidate = _candidate(record)
        if candidate is None or candidate.told.kind != kind:
            continue
        candidates[candidate.file.name] = candidate
    return list(candidates.values())


def _mirrored(
    mirror: Mirror, platform: str, kind: OrbitKind, start: datetime, stop: datetime
) -> list[_Candidate]:
    return [
        _Candidate(OrbitName.parse(file.name), file)
        for file in mirror.orbit_files(platform, kind, start, stop)
    ]


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


def _candidate(record: Mapping[str, Any]) -> _Candidate | None:
    """Return the file of a record; None for what is no orbit file or cannot be fetched."""
    name, identifier = record.get("Name"), record.get("Id")
    if not isinstance(name, str) or not isinstance(identifier, str):
        return None
    if record.get("Online") is False:
        return None
    try:
        told = OrbitName.parse(name)
    except ValueError:
        return None
    size = record.get("ContentLength")
    with known_form("the catalogue of orbit files", "report it to the service"):
        return _Candidate(
            told,
            told.product(
                provider="cdse",
                id=identifier,
                name=name.removesuffix(".EOF"),
                size_bytes=size if isinstance(size, int) and size > 0 else None,
                checksums=checksums_of(record),
            ),
        )
