"""From a glacier to its frozen inventory: search, sort out, choose, count.

Providers yield all that they are shown; what of it belongs to a query is decided here alone, by
one rule: **what the configuration asks for must be known of a product**. One of another or of
unknown direction, track, polarisation or place is left out, with its reason in ``left_out.csv``.
Clouds that are not known count as the most that are allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.areas import Glacier, coverage_percent
from ssl4sar.acquire.catalogue.duplicates import collapse
from ssl4sar.acquire.catalogue.footprint import footprint_shape, with_plausible_footprint
from ssl4sar.acquire.catalogue.inventory import (
    Inventory,
    InventoryHeader,
    write_inventory,
    write_left_out,
)
from ssl4sar.acquire.catalogue.optical_choice import (
    Candidate,
    choose_optical,
    season_months,
    write_optical_choice,
)
from ssl4sar.acquire.catalogue.product_name import is_kind
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Mission, Product
from ssl4sar.acquire.query import LeftOut, Provider, Query
from ssl4sar.config.sentinel import OpticalConfig, SentinelConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log, track
from ssl4sar.core.wording import counted

Window = tuple[datetime, datetime]
#: Orbit files for products: the files, and the name of the file by product.
OrbitChoice = Callable[[Sequence[Product]], tuple[Sequence[Product], Mapping[str, str]]]
_SEARCH_KEYS: Final = (
    *("start", "end", "product_type", "polarisation", "orbit_direction", "relative_orbits"),
    *("min_coverage_percent", "orbits"),
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

    def of_mission(self, mission: Mission) -> list[Product]:
        """Return the kept products of a mission."""
        return [each for each in self.kept if each.mission == mission]

    def counts(self) -> dict[str, int]:
        """Return the products by fate."""
        return {
            "found": self.number,
            "kept": len(self.kept),
            "sentinel_1": len(self.of_mission("sentinel-1")),
            "sentinel_2": len(self.of_mission("sentinel-2")),
            "offline": sum(not each.online for each in self.kept),
            **dict(sorted(Counter(each.reason for each in self.left_out).items())),
        }


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
        ValueError: precise orbits are wanted and ``choose_orbits`` is missing.
    """
    is_precise = config.sentinel.orbits == "precise"
    if is_precise and choose_orbits is None:
        raise ValueError("precise orbits are wanted and there is nothing to choose them with")
    # Nothing is taken in the future; a month is left for clocks that go wrong.
    latest = max(searched_utc.date() + _CLOCK_ERROR, config.sentinel.start)
    windows = list(month_windows(config.sentinel.start, min(config.sentinel.end, latest)))
    found = _search_sar(config.sentinel, glacier, sar, windows)
    candidates: list[Candidate] = []
    if optical is not None and config.optical.count > 0:
        images, candidates = _search_optical(config.optical, glacier, optical, windows)
        found += images
    counts = found.counts()
    orbits: Sequence[Product] = ()
    orbit_of: Mapping[str, str] = {}
    if is_precise and choose_orbits is not None:
        orbits, orbit_of = choose_orbits(found.of_mission("sentinel-1"))
    header = InventoryHeader(
        glacier=glacier.name,
        caffe_test=glacier.is_test,
        area=glacier.geojson,
        providers={"sentinel-1": sar.name}
        | ({"sentinel-2": optical.name} if optical is not None else {}),
        query=query_values(config),
        searched_utc=searched_utc,
        counts=counts,
        orbits=[orbit.as_row() for orbit in orbits],
        orbit_of=orbit_of,
    )
    log(f"{glacier.name}: " + ", ".join(f"{number} {name}" for name, number in counts.items()))
    inventory = Inventory(header, tuple(found.kept))
    return SearchOutcome(inventory, tuple(found.left_out), tuple(candidates))


def query_values(config: SearchConfig) -> dict[str, Any]:
    """Return the values of the configuration that a search uses, by key."""
    sentinel = config.sentinel.model_dump(mode="json")
    values = {f"sentinel.{key}": sentinel[key] for key in _SEARCH_KEYS}
    optical = config.optical.model_dump(mode="json")
    return values | {f"optical.{key}": v for key, v in optical.items()} | dict(config.service)


def month_windows(start: date, end: date) -> Iterator[Window]:
    """Yield the calendar months of a span of days, the first and last cut to it.

    Catalogues answer short windows faster and never lose part of them.

    Args:
        start: first day, UTC.
        end: last day, UTC; it belongs to the span.

    Yields:
        Start and stop of each window: products that start at or after the one and before the other
        belong to it, so every product belongs to exactly one window.

    Raises:
        ValueError: the end is before the start.
    """
    if end < start:
        raise ValueError(f"{end} is before {start}")
    stop = end + timedelta(days=1)
    while start < stop:
        next_month = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = min(next_month, stop)
        yield (
            datetime.combine(start, time(), tzinfo=UTC),
            datetime.combine(last, time(), tzinfo=UTC),
        )
        start = last


def sort_out(
    listed: Sequence[Product | LeftOut], query: Query, min_coverage_percent: float
) -> Found:
    """Sort what a provider listed; none is trusted to have compared everything.

    Args:
        listed: products, and what looks like one, in any order.
        query: what is looked for, over the whole time.
        min_coverage_percent: share of the area that a product must cover; it must cover some.
    """
    left_out: list[LeftOut] = []
    matching: list[Product] = []
    odd: list[str] = []
    for each in listed:
        if isinstance(each, LeftOut):
            left_out.append(each)
            continue
        product, problem = with_plausible_footprint(each)
        refusal = _refusal(product, query, min_coverage_percent)
        if refusal is None:
            matching.append(product)
            odd += [f"{product.name}: {problem}"] * bool(problem)
        else:
            reason, detail = refusal
            detail = "; ".join(filter(None, (detail, problem)))
            left_out.append(LeftOut(product.name, reason, detail))
    kept, duplicates = collapse(matching)
    name = query.glacier.name
    if odd:
        log(
            f"warning: {name}: {counted(len(odd), 'footprint')} of {query.mission} not as the "
            f"catalogue lists them, e.g. {odd[0]}"
        )
    stated = [product.name for product in kept if product.direction_stated]
    if query.orbit_direction is not None and stated:
        log(
            f"warning: {name}: that {counted(len(stated), 'scene')} are {query.orbit_direction} is "
            f"only stated for their datatakes, which may turn near a pole, e.g. {stated[0]}"
        )
    return Found(len(listed), kept, left_out + duplicates)


def _search_sar(
    config: SentinelConfig, glacier: Glacier, provider: Provider, windows: Sequence[Window]
) -> Found:
    wanted = config.polarisation
    query = Query(
        glacier,
        "sentinel-1",
        config.product_type,
        *_whole(windows),
        orbit_direction=None if config.orbit_direction == "any" else config.orbit_direction,
        relative_orbits=config.relative_orbits,
        polarisations=("HH", "VV") if wanted == "copolar" else (wanted,),
    )
    listed = _listed(provider, "sentinel.provider", query, windows)
    return sort_out(listed, query, config.min_coverage_percent)


def _search_optical(
    config: OpticalConfig, glacier: Glacier, provider: Provider, windows: Sequence[Window]
) -> tuple[Found, list[Candidate]]:
    most, kind = config.max_cloud_percent, config.product_type
    query = Query(glacier, "sentinel-2", kind, *_whole(windows), max_cloud_percent=most)
    months = season_months(config.months, glacier.area.centroid.y)
    season = [each for each in windows if each[0].month in months]
    # Tiles are combined before their coverage is assessed, so each may cover as little as it does.
    found = sort_out(_listed(provider, "sentinel.optical_provider", query, season), query, 0.0)
    candidates = choose_optical(found.kept, glacier.area, config)
    unusable = sum(each.reason in _UNUSABLE for each in found.left_out)
    _tell_choice(glacier, candidates, config.count, unusable)
    others = [
        LeftOut(each.product.name, "not_chosen", each.why) for each in candidates if not each.chosen
    ]
    chosen = [each.product for each in candidates if each.chosen]
    return Found(found.number, chosen, found.left_out + others), candidates


def _whole(windows: Sequence[Window]) -> Window:
    return windows[0][0], windows[-1][1]


def _listed(
    provider: Provider, key: str, query: Query, windows: Sequence[Window]
) -> list[Product | LeftOut]:
    """Search window by window; the order of the products is that of the provider."""
    if query.mission not in provider.missions:
        problem = f"it holds no {query.mission}"
        raise UserError(f"{key}: {provider.name}", problem, "name another provider there")
    found: dict[object, Product | LeftOut] = {}
    described = f"{query.glacier.name}: searching {query.mission} at {provider.name} (months)"
    for start, stop in track(windows, described):
        for each in provider.search(replace(query, start=start, stop=stop)):
            found.setdefault(each if isinstance(each, LeftOut) else (each.name, each.id), each)
    return list(found.values())


def _refusal(product: Product, query: Query, min_coverage_percent: float) -> tuple[str, str] | None:
    """Return why a product does not belong to a query: a word and a phrase."""
    # What the scene model renders stands for any type; all but track and place of it for any.
    is_synthetic = product.product_type == SYNTHETIC_TYPE
    is_of_type = is_synthetic or is_kind(product.product_type, query.product_type)
    if product.mission != query.mission or not is_of_type:
        return "product_type", f"it is of type {product.product_type}"
    if not query.start <= product.start < query.stop:
        return "outside_time", f"it starts {product.start:%Y-%m-%d %H:%M:%S}"
    if not is_synthetic:
        known = product.polarisations
        if query.polarisations and not set(known) & set(query.polarisations):
            return "polarisation", f"it has {'+'.join(known)}" if known else "it is unknown"
        direction = product.orbit_direction
        if query.orbit_direction not in {None, direction}:
            word = ", as the catalogue states of its datatake" * product.direction_stated
            detail = f"the satellite flew {direction}{word}" if direction else "it is unknown"
            return "orbit_direction", detail
        if product.mission == "sentinel-2" and product.tile is None:
            return "several_tiles", "its name has no tile, as before December 2016"
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
        log(f"{glacier.name}: {found}; {advice}")
