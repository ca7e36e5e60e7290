"""Whether Sentinel-1 flew north or south over a scene.

Manifests and catalogues state the pass at the start of the datatake, which lasts up to 25 minutes,
a quarter of an orbit. So the direction of a scene follows from the time since the ascending node at
its middle (SAR-ARD/s1ard#83): the satellite flies north in the first and the last quarter of an
orbit. Where a service does not list that time, it follows from the satellite's calendar: the
ground track of Sentinel-1 repeats after 12 days and 175 orbits. The calendar was fixed by nodes in
real manifests of 2015 to 2026, which stray from it by up to 26 s (S1A) and 4 s (S1B). It counts
only where it puts the satellite at the latitude of the footprint, give or take the swath.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shapely.geometry import shape

from ssl4sar.acquire.product import OrbitDirection

ORBIT: Final = timedelta(days=12) / 175
#: A node and the time from which on the satellite kept to its track.
_CALENDAR: Final = {
    "S1A": (datetime(2015, 2, 3, 3, 52, 50, tzinfo=UTC), datetime(2014, 10, 1, tzinfo=UTC)),
    "S1B": (datetime(2021, 4, 1, 4, 49, 59, tzinfo=UTC), datetime(2016, 10, 1, tzinfo=UTC)),
}
#: Nearer to its turn than this a satellite's calendar does not decide; the scene is then at 81
#: degrees, where the satellite flies west.
_UNCERTAIN: Final = timedelta(seconds=60)
_INCLINATION_DEG: Final = 98.18
#: The swath is up to 600 km beside the track, which near the poles runs from east to west.
_SWATH_DEG: Final = 6.0
#: The times since the node at both ends of a scene must differ by its length.
_SAME_S: Final = 2.0


def scene_direction(
    stated: OrbitDirection | None,
    platform: str,
    start: datetime,
    stop: datetime,
    footprint: Mapping[str, Any] | None,
    node_ms: tuple[float | None, float | None] = (None, None),
) -> tuple[OrbitDirection | None, bool]:
    """Return the direction of a scene, and whether it is only stated for its datatake.

    Args:
        stated: what the catalogue or manifest says.
        platform: e.g. S1A.
        start: first line, UTC.
        stop: last line, UTC.
        footprint: GeoJSON geometry in degrees; None where it is unknown.
        node_ms: time since the ascending node at the first and the last line, milliseconds; either
            may be unknown.
    """
    since = _since_node(start, stop, node_ms)
    if since is not None:
        return _at(since), False
    by_calendar = _by_calendar(platform, start + (stop - start) / 2, footprint)
    if by_calendar is not None:
        return by_calendar, False
    return stated, stated is not None


def _since_node(
    start: datetime, stop: datetime, node_ms: tuple[float | None, float | None]
) -> timedelta | None:
    """Return the time since the node at the middle of a scene, if both ends agree on it."""
    first, last = node_ms
    longest_ms = 2000.0 * ORBIT.total_seconds()
    if any(ms is not None and not 0 <= ms <= longest_ms for ms in node_ms):
        return None  # also what is not a number
    half = (stop - start) / 2
    if first is None:
        return None if last is None else timedelta(milliseconds=last) - half
    if last is not None:
        between_s = math.remainder((last - first) / 1000.0, ORBIT.total_seconds())
        if abs(between_s - (stop - start).total_seconds()) > _SAME_S:
            return None
    return timedelta(milliseconds=first) + half


def _by_calendar(
    platform: str, time: datetime, footprint: Mapping[str, Any] | None
) -> OrbitDirection | None:
    if platform not in _CALENDAR or footprint is None:
        return None
    node, since = _CALENDAR[platform]
    latitude_deg = shape(dict(footprint)).centroid.y
    if time < since or abs(_latitude_deg(time - node) - latitude_deg) > _SWATH_DEG:
        return None
    directions = {_at(time - node + step) for step in (-_UNCERTAIN, _UNCERTAIN)}
    return directions.pop() if len(directions) == 1 else None


def _latitude_deg(since_node: timedelta) -> float:
    angle = 2 * math.pi * ((since_node % ORBIT) / ORBIT)
    return math.degrees(math.asin(math.sin(math.radians(_INCLINATION_DEG)) * math.sin(angle)))


def _at(since_node: timedelta) -> OrbitDirection:
    phase = (since_node % ORBIT) / ORBIT
    return "descending" if 0.25 <= phase < 0.75 else "ascending"
