"""From a glacier to its frozen inventory: search, sort out, choose, count.

Providers yield all that they are shown; what of it belongs to a query is decided here alone, by
one rule: **what the configuration asks for must be known of a product**. One of another or of
unknown direction, track, polarisation or place is left out, with its reason in ``left_out.csv``.
Clouds that are not known count as the most that are allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.areas import Glacier, coverage_percent
from ssl4sar.acquire.catalogue.duplicates import collapse
from ssl4sar.acquire.catalogue.footprint import footprint_shape, with_believed_footprint
from ssl4sar.acquire.catalogue.inventory import (
    Inventory,
    InventoryHeader,
    LeftOut,
    write_inventory,
    write_left_out,
)
from ssl4sar.acquire.catalogue.optical_choice import (
    Candidate,
    choose_optical,
    season_months,
    write_optical_choice,
)
from ssl4sar.acquire.catalogue.windows import month_windows
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Mission, Product
from ssl4sar.acquire.providers.base import Provider, Query
from ssl4sar.acquire.providers.common import is_kind
from ssl4sar.config.sentinel import OpticalConfig, SentinelConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell, track
from ssl4sar.core.wording import counted

#: Orbit files for products: the files, and the name of the file by product.
OrbitChoice = Callable[[Sequence[Product]], tuple[Sequence[Product], Mapping[str, str]]]
_SEARCH_KEYS: Final = (
    "start",
    "end",
    "product_type",
    "polarisation",
    "orbit_direction",
    "relative_orbits",
    "min_coverage_percent",
    "orbits",
)
#: Reasons that are about the form of products, not about the query.
_UNUSABLE: Final = frozenset({"not_recognised", "unreadable", "several_tiles"})
_CLOCK_ERROR: Final = timedelta(days=31)


@dataclass(frozen=True)
class SearchConfig:
    """The blocks of the configuration that a search follows.

    Attributes:
        sentinel: products of both missions.
        optical: choice of the optical image.
        service: what else decides on the answers, by dotted key, e.g. the address of a hub.
    """

    sentinel: SentinelConfig
    optical: OpticalConfig
    service: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        inventory: the products to build from.
        left_out: every other product that was found, and what was not recognised, with its reason.
        candidates: how the optical images were chosen.
    """

    inventory: Inventory
    left_out: tuple[LeftOut, ...]
    candidates: tuple[Candidate, ...]

    def write(self, folder: str | Path) -> None:
        """Write ``left_out.csv``, ``optical_choice.csv`` and, last, ``inventory.jsonl``."""
        folder = Path(folder)
        write_left_out(folder / "left_out.csv", self.left_out)
        write_optical_choice(folder / "optical_choice.csv", self.candidates)
        write_inventory(folder / "inventory.jsonl", self.inventory)


def search_glacier(
    config: SearchConfig,
    glacier: Glacier,
    sar: Provider,
    optical: Provider | None,
    *,
    searched_utc: datetime,
    choose_orbits: OrbitChoice | None = None,
) -> SearchOutcome:
    """Search for the products of a glacier.

    Args:
        config: what is looked for.
        glacier: glacier with its area.
        sar: where Sentinel-1 is looked for.
        optical: where Sentinel-2 is looked for; None takes none.
        searched_utc: time of the search, for the record.
        choose_orbits: finds the precise orbit files; called if ``sentinel.orbits`` is precise.

    Returns:
        The inventory and what was left out. Products that are offline are kept and counted.

    Raises:
        UserError: a provider cannot be asked or holds nothing of the mission.
        RuntimeError: the counts do not add up, which is our mistake.
        ValueError: precise orbits are wanted and ``choose_orbits`` is missing.
    """
    if config.sentinel.orbits == "precise" and choose_orbits is None:
        raise ValueError("precise orbits are wanted and there is nothing to choose them with")
    query = query_values(config)
    _require(sar, "sentinel-1", "sentinel.provider")
    config = _until(config, searched_utc)
    found = _search_sar(config, glacier, sar)
    candidates: list[Candidate] = []
    if optical is not None and config.optical.count > 0:
        _require(optical, "sentinel-2", "sentinel.optical_provider")
        images, candidates = _search_optical(config, glacier, optical)
        found += images
    counts = _counts(found)
    orbits: Sequence[Product] = ()
    orbit_of: Mapping[str, str] = {}
    if config.sentinel.orbits == "precise" and choose_orbits is not None:
        orbits, orbit_of = choose_orbits([each for each in found.kept if _is_sar(each)])
    header = InventoryHeader(
        glacier=glacier.name,
        caffe_test=glacier.is_test,
        area=glacier.geojson,
        providers={"sentinel-1": sar.name}
        | ({"sentinel-2": optical.name} if optical is not None else {}),
        query=query,
        searched_utc=searched_utc,
        counts=counts,
        orbits=[orbit.as_row() for orbit in orbits],
        orbit_of=orbit_of,
    )
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    tell(f"{glacier.name}: {told}")
    inventory = Inventory(header, tuple(found.kept))
    return SearchOutcome(inventory, tuple(found.left_out), tuple(candidates))


def sar_query(config: SearchConfig, glacier: Glacier) -> Query:
    """Return the query for the Sentinel-1 products of a glacier, over the whole time."""
    block = config.sentinel
    start, stop = _whole_time(config)
    return Query(
        glacier=glacier,
        mission="sentinel-1",
        product_type=block.product_type,
        start=start,
        stop=stop,
        orbit_direction=None if block.orbit_direction == "any" else block.orbit_direction,
        relative_orbits=block.relative_orbits,
        polarisations=("HH", "VV") if block.polarisation == "copolar" else (block.polarisation,),
    )


def optical_query(config: SearchConfig, glacier: Glacier) -> Query:
    """Return the query for the Sentinel-2 products of a glacier, over the whole time."""
    start, stop = _whole_time(config)
    return Query(
        glacier=glacier,
        mission="sentinel-2",
        product_type=config.optical.product_type,
        start=start,
        stop=stop,
        max_cloud_percent=config.optical.max_cloud_percent,
    )


def query_values(config: SearchConfig) -> dict[str, Any]:
    """Return the values of the configuration that a search uses, by key."""
    sentinel = config.sentinel.model_dump(mode="json")
    values = {f"sentinel.{key}": sentinel[key] for key in _SEARCH_KEYS}
    optical = config.optical.model_dump(mode="json")
    return values | {f"optical.{key}": v for key, v in optical.items()} | dict(config.service)


def _require(provider: Provider, mission: Mission, key: str) -> None:
    if mission not in provider.missions:
        raise UserError(
            f"{key}: {provider.name}", f"it holds no {mission}", "name another provider there"
        )


def _until(config: SearchConfig, searched_utc: datetime) -> SearchConfig:
    """Return the configuration with an end that does not reach far beyond the search.

    Nothing is taken in the future; a month is left for clocks that go wrong.
    """
    last = searched_utc.date() + _CLOCK_ERROR
    if config.sentinel.end <= last:
        return config
    sentinel = config.sentinel.model_copy(update={"end": max(last, config.sentinel.start)})
    return replace(config, sentinel=sentinel)


@dataclass
class Found:
    """How many products were found, and what became of them.

    Attributes:
        number: of products, and of what looks like one.
        kept: what belongs to the query.
        left_out: all others.
    """

    number: int
    kept: list[Product]
    left_out: list[LeftOut]

    def __add__(self, other: Found) -> Found:
        # What a folder holds and nothing recognises may be listed for both missions.
        again = set(self.left_out) & set(other.left_out)
        return Found(
            self.number + other.number - len(again),
            self.kept + other.kept,
            self.left_out + [each for each in other.left_out if each not in again],
        )


def _search_sar(config: SearchConfig, glacier: Glacier, provider: Provider) -> Found:
    query = sar_query(config, glacier)
    listed = _search(provider, query, config, range(1, 13))
    return sort_out(listed, query, config.sentinel.min_coverage_percent)


def _search_optical(
    config: SearchConfig, glacier: Glacier, provider: Provider
) -> tuple[Found, list[Candidate]]:
    query = optical_query(config, glacier)
    months = season_months(config.optical.months, glacier.area.centroid.y)
    # Tiles are combined before their coverage is judged, so each may cover as little as it does.
    found = sort_out(_search(provider, query, config, months), query, 0.0)
    candidates = choose_optical(found.kept, glacier.area, config.optical)
    unusable = sum(each.reason in _UNUSABLE for each in found.left_out)
    _tell_choice(glacier, candidates, config.optical.count, unusable)
    others = [
        LeftOut(each.product.name, "not_chosen", each.why) for each in candidates if not each.chosen
    ]
    chosen = [each.product for each in candidates if each.chosen]
    return Found(found.number, chosen, found.left_out + others), candidates


def sort_out(
    listed: Sequence[Product | LeftOut], query: Query, min_coverage_percent: float
) -> Found:
    """Sort what a provider listed; none is trusted to have compared everything.

    Args:
        listed: products, and what looks like one, in any order.
        query: what is looked for, over the whole time.
        min_coverage_percent: share of the area that a product must cover; it must cover some.
    """
    left_out = [each for each in listed if isinstance(each, LeftOut)]
    matching: list[Product] = []
    doubted: list[str] = []
    for each in listed:
        if isinstance(each, LeftOut):
            continue
        product, doubt = with_believed_footprint(each)
        refusal = _refusal(product, query, min_coverage_percent)
        if refusal is None:
            matching.append(product)
            doubted += [f"{product.name}: {doubt}"] * bool(doubt)
        else:
            reason, detail = refusal
            left_out.append(LeftOut(product.name, reason, "; ".join(filter(None, (detail, doubt)))))
    kept, duplicates = collapse(matching)
    _tell_doubts(query, kept, doubted)
    return Found(len(listed), kept, left_out + duplicates)


def _tell_doubts(query: Query, kept: Sequence[Product], doubted: Sequence[str]) -> None:
    if doubted:
        tell(
            f"warning: {query.glacier.name}: {counted(len(doubted), 'footprint')} of "
            f"{query.mission} not as the catalogue lists them, e.g. {doubted[0]}"
        )
    stated = [product.name for product in kept if product.direction_stated]
    if query.orbit_direction is not None and stated:
        tell(
            f"warning: {query.glacier.name}: that {counted(len(stated), 'scene')} are "
            f"{query.orbit_direction} is only stated for their datatakes, which may turn near a "
            f"pole, e.g. {stated[0]}"
        )


def _search(
    provider: Provider, query: Query, config: SearchConfig, months: Container[int]
) -> list[Product | LeftOut]:
    """Search month by month; the order of the products is that of the provider.

    What starts in one month and ends in the next may be listed for both: it counts once.
    """
    windows = [
        (start, stop)
        for start, stop in month_windows(config.sentinel.start, config.sentinel.end)
        if start.month in months
    ]
    found: dict[object, Product | LeftOut] = {}
    described = f"{query.glacier.name}: searching {query.mission} at {provider.name} (months)"
    for start, stop in track(windows, described):
        for each in provider.search(replace(query, start=start, stop=stop)):
            found.setdefault(each if isinstance(each, LeftOut) else (each.name, each.id), each)
    return list(found.values())


def _refusal(product: Product, query: Query, min_coverage_percent: float) -> tuple[str, str] | None:
    """Return why a product does not belong to a query: a word and a phrase."""
    if product.mission != query.mission or not _is_of_type(product, query.product_type):
        return "product_type", f"it is of type {product.product_type}"
    if not query.start <= product.start < query.stop:
        return "outside_time", f"it starts {product.start:%Y-%m-%d %H:%M:%S}"
    # Of the scene model's images all but track and place stands for any.
    if product.product_type != SYNTHETIC_TYPE:
        known = product.polarisations
        if query.polarisations and not set(known) & set(query.polarisations):
            return "polarisation", f"it has {'+'.join(known)}" if known else "it is unknown"
        direction = product.orbit_direction
        if query.orbit_direction not in {None, direction}:
            word = ", as the catalogue states of its datatake" * product.direction_stated
            told = f"the satellite flew {direction}{word}" if direction else "it is unknown"
            return "orbit_direction", told
        if product.mission == "sentinel-2" and product.tile is None:
            return (
                "several_tiles",
                "its name has no tile, as before December 2016",
            )
    number = product.relative_orbit
    if query.relative_orbits and number not in query.relative_orbits:
        return "relative_orbit", "it is unknown" if number is None else f"it is of track {number}"
    footprint = footprint_shape(product)
    if footprint is None:
        return "footprint", "where it is, is not known"
    covered = coverage_percent(query.glacier.area, footprint)
    if covered <= 0.0 or covered < min_coverage_percent:
        return "too_little_coverage", f"it covers {covered:.2f} % of the area"
    return None


def _is_of_type(product: Product, wanted: str) -> bool:
    # What the scene model renders stands for any type.
    return product.product_type == SYNTHETIC_TYPE or is_kind(product.product_type, wanted)


def _counts(found: Found) -> dict[str, int]:
    """Return the products by fate.

    Raises:
        RuntimeError: they do not add up.
    """
    kept, reasons = found.kept, Counter(each.reason for each in found.left_out)
    if found.number != len(kept) + len(found.left_out):
        raise RuntimeError(
            f"{found.number} products found, {len(kept)} kept and {len(found.left_out)} left out"
        )
    return {
        "found": found.number,
        "kept": len(kept),
        "sentinel_1": sum(_is_sar(each) for each in kept),
        "sentinel_2": sum(not _is_sar(each) for each in kept),
        "offline": sum(not each.online for each in kept),
        **dict(sorted(reasons.items())),
    }


def _is_sar(product: Product) -> bool:
    return product.mission == "sentinel-1"


def _whole_time(config: SearchConfig) -> tuple[datetime, datetime]:
    windows = list(month_windows(config.sentinel.start, config.sentinel.end))
    return windows[0][0], windows[-1][1]


def _tell_choice(
    glacier: Glacier, candidates: Sequence[Candidate], wanted: int, unusable: int
) -> None:
    days = {each.day for each in candidates if each.chosen}
    if len(days) < wanted:
        found = f"{len(days)} of {wanted} optical images found among {len(candidates)} products"
        advice = (
            f"{counted(unusable, 'more item')} could not be used: left_out.csv says why"
            if unusable
            else "optical_choice.csv says why: widen optical.months, optical.max_cloud_percent or "
            "the time span"
        )
        tell(f"{glacier.name}: {found}; {advice}")
