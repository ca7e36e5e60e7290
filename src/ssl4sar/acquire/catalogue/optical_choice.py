"""Which Sentinel-2 images a glacier gets, and why.

Every day on which the satellite passes is a candidate: its tiles are combined until they cover
enough of the area. Candidates that could be used are ordered by a cost in percent of the area that
one does not see well: clouds, plus what is not covered, plus a quarter of a percent for each day
away from the middle of the melt season, when most snow is gone and the ice is bare (our choice).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Final

from shapely import MultiPolygon, unary_union
from shapely.geometry.base import BaseGeometry

from ssl4sar.acquire.areas import coverage_percent
from ssl4sar.acquire.catalogue.footprint import footprint_shape
from ssl4sar.acquire.catalogue.inventory import csv_text
from ssl4sar.acquire.product import Product
from ssl4sar.config.sentinel import OpticalConfig
from ssl4sar.core.atomic import write_text

_PERCENT_PER_DAY: Final = 0.25
_YEAR_DAYS: Final = 365.25
_COLUMNS: Final = (
    "name",
    "day",
    "cloud_percent",
    "coverage_percent",
    "day_coverage_percent",
    "season_days",
    "season_rank",
    "cost",
    "chosen",
    "why",
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An optical product and what became of it.

    Attributes:
        product: the product.
        day: day of its datatake, UTC.
        coverage_percent: share of the area that it covers alone.
        day_coverage_percent: share that the tiles of its day cover together, of those needed.
        season_days: days between its day and the middle of the season.
        season_rank: place by ``season_days``, from 1.
        cost: what candidates are ordered by, percent; None for one that cannot be used.
        chosen: whether it is taken.
        why: reason for people.
    """

    product: Product
    day: date
    coverage_percent: float
    day_coverage_percent: float
    season_days: float
    season_rank: int
    cost: float | None
    chosen: bool
    why: str


def choose_optical(
    products: Iterable[Product], area: MultiPolygon, config: OpticalConfig
) -> list[Candidate]:
    """Choose the ``config.count`` best days of a glacier.

    Args:
        products: Sentinel-2 products without duplicates.
        area: area of the glacier, degrees.
        config: months, thresholds and number of images.

    Returns:
        One candidate per product, chosen or not, ordered by day and name; the same for any order of
        the input.
    """
    months = season_months(config.months, area.centroid.y)
    middle = season_middle(months)
    judged = []
    for tiles in _passes(products):
        judged.append(_judge(tiles, area, config, months, middle))
    ranked = _with_choice(judged, config.count)
    distances = sorted({each.season_days for each in ranked})
    placed = [replace(each, season_rank=distances.index(each.season_days) + 1) for each in ranked]
    return sorted(placed, key=lambda each: (each.day, each.product.name))


def season_months(months: Sequence[int], latitude_deg: float) -> tuple[int, ...]:
    """Return the months of the season at a latitude: south of the equator half a year later."""
    shift = 6 if latitude_deg < 0 else 0
    return tuple(sorted((month - 1 + shift) % 12 + 1 for month in set(months)))


def season_middle(months: Sequence[int]) -> float:
    """Return the middle of a season in days after the start of the year, 0 to 365.25.

    The season reaches from the first month after the longest pause to the last month before it, so
    that it may go over the turn of the year.

    Raises:
        ValueError: there are no months.
    """
    ordered = sorted(set(months))
    if not ordered:
        raise ValueError("there are no months")
    pauses = [
        ((later - month - 1) % 12, later)
        for month, later in zip(ordered, [*ordered[1:], ordered[0]], strict=True)
    ]
    pause, first = max(pauses, key=lambda each: (each[0], -each[1]))
    length = 12 - pause
    return (first - 1 + length / 2) % 12 / 12 * _YEAR_DAYS


def write_optical_choice(path: str | Path, candidates: Iterable[Candidate]) -> None:
    """Write the candidates as CSV, atomically."""
    write_text(path, csv_text(_COLUMNS, [_row(each) for each in candidates]))


def _row(each: Candidate) -> tuple[object, ...]:
    cloud = each.product.cloud_percent
    return (
        each.product.name,
        each.day.isoformat(),
        "" if cloud is None else f"{cloud:.2f}",
        f"{each.coverage_percent:.2f}",
        f"{each.day_coverage_percent:.2f}",
        f"{each.season_days:.1f}",
        each.season_rank,
        "" if each.cost is None else f"{each.cost:.2f}",
        "yes" if each.chosen else "no",
        each.why,
    )


def _passes(products: Iterable[Product]) -> list[list[Product]]:
    """Group the tiles that a satellite takes in one pass."""
    groups: dict[tuple[object, ...], list[Product]] = defaultdict(list)
    for product in products:
        day = product.start.astimezone(UTC).date()
        groups[(day, product.platform, product.relative_orbit)].append(product)
    ordered = sorted(groups.items(), key=lambda item: tuple(map(str, item[0])))
    return [sorted(tiles, key=lambda each: each.name) for _, tiles in ordered]


def _judge(
    tiles: Sequence[Product],
    area: MultiPolygon,
    config: OpticalConfig,
    months: Sequence[int],
    middle: float,
) -> list[Candidate]:
    """Return the tiles of a pass; those that would be taken have a cost."""
    day = tiles[0].start.astimezone(UTC).date()
    refusals = {tile.name: _refusal(tile, config, months) for tile in tiles}
    usable = [tile for tile in tiles if refusals[tile.name] is None]
    needed, covered = _fewest(usable, area, config.min_coverage_percent)
    enough = bool(needed) and covered >= config.min_coverage_percent
    season_days = _season_days(day, middle)
    cost = None
    if enough:
        cloud = max(_cloud(tile, config) for tile in needed)
        # Rounded, so that ties do not hang on the last bit of a geometry.
        cost = round(cloud + (100.0 - covered) + _PERCENT_PER_DAY * season_days, 3)
    candidates = []
    for tile in tiles:
        why = refusals[tile.name] or ""
        if not why and not enough:
            why = f"its day covers {covered:.1f} %, {config.min_coverage_percent:g} % are wanted"
        elif not why and tile not in needed:
            why = "not needed: other tiles of its day cover enough"
        candidates.append(
            Candidate(
                product=tile,
                day=day,
                coverage_percent=_coverage([tile], area),
                day_coverage_percent=covered,
                season_days=season_days,
                season_rank=0,
                cost=cost if enough and tile in needed else None,
                chosen=False,
                why=why,
            )
        )
    return candidates


def _refusal(tile: Product, config: OpticalConfig, months: Sequence[int]) -> str | None:
    if not tile.online:
        return "offline: it cannot be fetched now"
    month = tile.start.astimezone(UTC).month
    if month not in months:
        return f"out of season: month {month}"
    if tile.cloud_percent is not None and tile.cloud_percent > config.max_cloud_percent:
        return f"too cloudy: more than {config.max_cloud_percent:g} %"
    if tile.footprint is None:
        return "its footprint is unknown"
    return None


def _fewest(
    usable: Sequence[Product], area: MultiPolygon, wanted_percent: float
) -> tuple[list[Product], float]:
    """Add the tile that brings most until enough is covered or no tile brings more."""
    needed: list[Product] = []
    covered = 0.0
    while covered < wanted_percent or not needed:
        gains = [(_coverage([*needed, tile], area), tile) for tile in usable if tile not in needed]
        if not gains:
            break
        best = max(gain for gain, _ in gains)
        if best <= covered:
            break
        needed.append(next(tile for gain, tile in gains if gain == best))
        covered = best
    return needed, covered


def _coverage(tiles: Sequence[Product], area: MultiPolygon) -> float:
    shapes: list[BaseGeometry] = [
        footprint for tile in tiles if (footprint := footprint_shape(tile)) is not None
    ]
    # Rounded, so that the order of tiles in a union does not matter.
    return round(coverage_percent(area, unary_union(shapes)), 6) if shapes else 0.0


def _cloud(tile: Product, config: OpticalConfig) -> float:
    return config.max_cloud_percent if tile.cloud_percent is None else tile.cloud_percent


def _season_days(day: date, middle: float) -> float:
    """Return the days to the nearest middle of a season, in this year or a neighbouring one."""
    gaps = []
    for year in (day.year - 1, day.year, day.year + 1):
        if 1 <= year <= date.max.year:
            since = (day - date(year, 1, 1)) / timedelta(days=1)
            gaps.append(abs(since - middle))
    return round(min(gaps), 3)


def _with_choice(judged: Sequence[Sequence[Candidate]], count: int) -> list[Candidate]:
    """Mark the best passes as chosen and tell the others their place."""
    costs = {}
    for index, group in enumerate(judged):
        known = [(each.cost, each.product.name) for each in group if each.cost is not None]
        if known:
            costs[index] = (known[0][0], group[0].day, known[0][1])
    places = {index: place for place, index in enumerate(sorted(costs, key=costs.__getitem__), 1)}
    result = []
    for index, group in enumerate(judged):
        place = places.get(index)
        for each in group:
            if place is None or each.cost is None:
                result.append(each)
                continue
            why = f"number {place} of {len(places)} days by cost"
            result.append(replace(each, chosen=place <= count, why=why))
    return result
