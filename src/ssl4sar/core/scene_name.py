"""Names of CaFFe scenes: ``GLACIER_YYYY-MM-DD_SENSOR_RES_QUALITY_ORBIT``.

The layout of CaFFe says all that is known of an image by its name; an image with coordinates says
its pixel size itself.

Source: CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, Literal, Self

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid

GLACIERS: Final = ("Mapple", "COL", "Crane", "DBE", "JAC", "Jorum", "SI")
TEST_GLACIERS: Final = ("COL", "Mapple")
NORTHERN_GLACIERS: Final = ("COL", "JAC")
SENSORS: Final = ("ERS", "ENVISAT", "RSAT", "PALSAR", "TSX", "TDX", "S1")
#: Sensors as the benchmark groups them: TerraSAR-X and TanDEM-X are twins.
SENSOR_GROUPS: Final = ("RSAT", "S1", "ENVISAT", "ERS", "PALSAR", "TSX/TDX")
ZONES_SUFFIX: Final = "_zones"
FRONT_SUFFIX: Final = "_front"
BOX_SUFFIX: Final = "_front_extent_coord"

_PATTERN: Final = re.compile(
    r"(?P<glacier>[A-Za-z][A-Za-z0-9-]*)_(?P<date>\d{4}-\d{2}-\d{2})_(?P<sensor>[A-Z0-9]+)"
    r"_(?P<resolution>[1-9]\d*)_(?P<quality>[1-6])_(?P<orbit>\d{3})"
)

_OFFICIAL_SPELLING: Final = {glacier.lower(): glacier for glacier in GLACIERS}
#: Pixel sizes in names are nominal: the grids of 7 m are most likely 20/3 m.
_NOMINAL: Final = 0.1

Season = Literal["winter", "summer"]


def parsed(name: str) -> SceneName | None:
    """Return a parsed scene name, None where it is not one."""
    try:
        return SceneName.parse(name)
    except UserError:
        return None


def begins_like_a_scene(name: str) -> bool:
    """Return whether a file name begins like one of a scene, in any case and with any glacier."""
    return re.match(_PATTERN.pattern, name, re.IGNORECASE) is not None


@dataclass(frozen=True, order=True)
class SceneName:
    """A parsed scene name.

    Attributes:
        glacier: one of ``GLACIERS``, or any other.
        date: day of acquisition.
        sensor: one of ``SENSORS``.
        resolution_m: pixel size of the benchmark's arithmetic, whole metres.
        quality: 1 (best) to 6.
        orbit: three digits.
    """

    glacier: str
    date: date
    sensor: str
    resolution_m: int
    quality: int
    orbit: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a scene name without suffix or extension.

        Raises:
            UserError: the name does not follow the pattern or holds an unknown token.
        """
        match = _PATTERN.fullmatch(name)
        if match is None:
            raise UserError(
                name,
                "the name does not read GLACIER_YYYY-MM-DD_SENSOR_RES_QUALITY_ORBIT",
                "rename it like COL_2011-06-18_TDX_7_1_024",
            )
        official = _OFFICIAL_SPELLING.get(match["glacier"].lower())
        if official not in (None, match["glacier"]):
            raise UserError(
                name, f"the glacier {official} is written {match['glacier']}", f"write {official}"
            )
        if match["sensor"] not in SENSORS:
            raise UserError(
                name, f"unknown sensor {match['sensor']}", f"use one of {', '.join(SENSORS)}"
            )
        try:
            day = date.fromisoformat(match["date"])
        except ValueError as error:
            raise UserError(name, f"{match['date']} is not a date", "use YYYY-MM-DD") from error
        return cls(
            match["glacier"],
            day,
            match["sensor"],
            int(match["resolution"]),
            int(match["quality"]),
            match["orbit"],
        )

    def __str__(self) -> str:
        """Return the official spelling."""
        return (
            f"{self.glacier}_{self.date.isoformat()}_{self.sensor}"
            f"_{self.resolution_m}_{self.quality}_{self.orbit}"
        )

    def with_resolution(self, resolution_m: int) -> Self:
        """Return the name of the same scene on another pixel size (whole metres)."""
        return replace(self, resolution_m=resolution_m)

    def spacing_m(self, grid: Grid | None, file: Path) -> float:
        """Return the pixel size of an image of this scene, metres.

        Args:
            grid: grid of the image; None without coordinates, where the name counts.
            file: image named in errors.

        Raises:
            UserError: lengths cannot be measured on the grid, or the name has another pixel size.
        """
        if grid is None:
            return self.resolution_m
        spacing_m = grid.require_metres(file)
        if abs(spacing_m / self.resolution_m - 1) > _NOMINAL:
            raise UserError(
                file,
                f"its pixels have {spacing_m:g} m, its name says {self.resolution_m} m",
                "correct the fourth part of the name, or the coordinates of the image",
            )
        return spacing_m

    @property
    def season(self) -> Season | None:
        """Season by the benchmark's rule: April to August is summer in the north only.

        None for a glacier that is not of the benchmark: its hemisphere is not known.
        """
        if self.glacier not in GLACIERS:
            return None
        april_to_august = 4 <= self.date.month <= 8
        northern = self.glacier in NORTHERN_GLACIERS
        return "summer" if april_to_august == northern else "winter"

    @property
    def sensor_group(self) -> str:
        """Sensor as grouped by the benchmark (one of ``SENSOR_GROUPS``)."""
        return "TSX/TDX" if self.sensor in {"TSX", "TDX"} else self.sensor
