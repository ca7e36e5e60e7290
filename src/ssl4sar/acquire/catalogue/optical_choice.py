"""Which Sentinel-2 images a glacier gets, and why.

Every day on which the satellite passes is a candidate: its tiles are combined until they cover
enough of the area. Candidates that could be used are ordered by a cost in percent of the area that
one does not see well: clouds, plus what is not covered, plus a quarter of a percent for each day
away from the middle of the melt season, when most snow is gone and the ice is bare (our choice).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Final

from shapely import MultiPolygon, unary_union

from ssl4sar.acquire.areas import coverage_percent
from ssl4sar.acquire.catalogue.footprint import footprint_shape
from ssl4sar.acquire.catalogue.inventory import csv_text
from ssl4sar.acquire.product import Product
from ssl4sar.config.sentinel import OpticalConfig
from ssl4sar.core.atomic import write_text

_PERCENT_PER_DAY: Final = 0.25
_YEAR_DAYS: Final = 365.25
_COLUMNS: Final = (
    *("name", "day", "cloud_percent", "coverage_percent", "day_coverage_percent"),
    *("season_days", "season_rank", "cost", "chosen", "why"),
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


@dataclass(frozen=True)
class _Pass:
    """The tiles that a satellite takes in one pass.

    Attributes:
        tiles: by name.
        day: UTC.
        season_days: days between it and the middle of the season.
        whys: why tiles are not taken, by name; nothing of those that would be.
        covered_percent: share of the area that the usable tiles cover, as far as needed.
        cost: percent; None where the pass cannot be used.
    """

    tiles: Sequence[Product]
    day: date
    season_days: float
    whys: dict[str, str]
    covered_percent: float
    cost: float | None

    @property
    def order(self) -> tuple[float, date, str]:
        """What passes that can be used are sorted by."""
        first = next(tile.name for tile in self.tiles if tile.name not in self.whys)
        return self.cost or 0.0, self.day, first


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
    groups: dict[tuple[object, ...], list[Product]] = defaultdict(list)
    for product in products:
        groups[(_day(product), product.platform, product.relative_orbit)].append(product)
    passes = [_assessed(tiles, area, config, months) for tiles in groups.values()]
    days = sorted({each.season_days for each in passes})
    usable = sorted((each for each in passes if each.cost is not None), key=lambda one: one.order)
    candidates = []
    for each in passes:
        place = usable.index(each) + 1 if each in usable else 0
        for tile in each.tiles:
            why = each.whys.get(tile.name)
            candidates.append(
                Candidate(
                    product=tile,
                    day=each.day,
                    coverage_percent=_coverage([tile], area),
                    day_coverage_percent=each.covered_percent,
                    season_days=each.season_days,
                    season_rank=days.index(each.season_days) + 1,
                    cost=each.cost if why is None else None,
                    chosen=why is None and place <= config.count,
                    why=why or f"number {place} of {len(usable)} days by cost",
                )
            )
    return sorted(candidates, key=lambda each: (each.day, each.product.name))


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


def _assessed(
    tiles: Sequence[Product], area: MultiPolygon, config: OpticalConfig, months: Sequence[int]
) -> _Pass:
    tiles = sorted(tiles, key=lambda each: each.name)
    refusals = {tile.name: _refusal(tile, config, months) for tile in tiles}
    whys = {name: why for name, why in refusals.items() if why is not None}
    usable = [tile for tile in tiles if tile.name not in whys]
    needed, covered = _fewest(usable, area, config.min_coverage_percent)
    season_days = _season_days(_day(tiles[0]), season_middle(months))
    cost = None
    if needed and covered >= config.min_coverage_percent:
        cloud = max(_cloud(tile, config) for tile in needed)
        # Rounded, so that ties do not hang on the last bit of a geometry.
        cost = round(cloud + (100.0 - covered) + _PERCENT_PER_DAY * season_days, 3)
        unused = [tile for tile in usable if tile not in needed]
        whys |= {tile.name: "not needed: other tiles of its day cover enough" for tile in unused}
    else:
        little = f"its day covers {covered:.1f} %, {config.min_coverage_percent:g} % are wanted"
        whys |= {tile.name: little for tile in usable}
    return _Pass(tiles, _day(tiles[0]), season_days, whys, covered, cost)


def _refusal(tile: Product, config: OpticalConfig, months: Sequence[int]) -> str | None:
    if not tile.online:
        return "offline: it cannot be fetched now"
    if _day(tile).month not in months:
        return f"out of season: month {_day(tile).month}"
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
        best, tile = max(gains, key=lambda each: each[0], default=(0.0, None))
        if tile is None or best <= covered:
            break
        needed.append(tile)
        covered = best
    return needed, covered


def _coverage(tiles: Sequence[Product], area: MultiPolygon) -> float:
    shapes = [each for each in map(footprint_shape, tiles) if each is not None]
    # Rounded, so that the order of tiles in a union does not matter.
    return round(coverage_percent(area, unary_union(shapes)), 6) if shapes else 0.0


def _cloud(tile: Product, config: OpticalConfig) -> float:
    return config.max_cloud_percent if tile.cloud_percent is None else tile.cloud_percent


def _day(product: Product) -> date:
    return product.start.astimezone(UTC).date()


def _season_days(day: date, middle: float) -> float:
    """Return the days to the nearest middle of a season, in this year or a neighbouring one."""
    years = (day.year - 1, day.year, day.year + 1)
    return round(min(abs((day - date(y, 1, 1)) / timedelta(days=1) - middle) for y in years), 3)
