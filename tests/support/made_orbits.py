"""Made-up orbit files of Sentinel-1 and their records in a catalogue."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ssl4sar.acquire.product import Product

_STAMP = "%Y%m%dT%H%M%S"


def at(text: str) -> datetime:
    """Return a time in UTC, e.g. 2021-03-05 04:31."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def scene(start: str, platform: str = "S1A", mission: str = "sentinel-1", s: int = 25) -> Product:
    """Return a product that starts at a time and lasts some seconds."""
    begin = at(start)
    return Product(
        provider="cdse",
        id=f"id of {start}",
        name=f"{platform}_IW_GRDH_1SDH_{begin:{_STAMP}}",
        mission=mission,  # type: ignore[arg-type]
        platform=platform,
        product_type="IW_GRDH_1S",
        start=begin,
        stop=begin + timedelta(seconds=s),
    )


def orbit_name(
    start: datetime, stop: datetime, created: datetime, kind: str = "POEORB", platform: str = "S1A"
) -> str:
    """Return the name of an orbit file, without .EOF."""
    return f"{platform}_OPER_AUX_{kind}_OPOD_{created:{_STAMP}}_V{start:{_STAMP}}_{stop:{_STAMP}}"


def poeorb(day: str, created: str = "2021-06-01", platform: str = "S1A") -> str:
    """Return the name of the precise file of a day: it begins an hour before and ends one after."""
    start = at(day) - timedelta(minutes=60, seconds=18)
    return orbit_name(start, start + timedelta(hours=26), at(created), platform=platform)


def record(name: str, **changes: Any) -> dict[str, Any]:
    """Return the record of an orbit file, shaped as the catalogue's."""
    parts = name.split("_")
    start, stop = (
        datetime.strptime(text.removeprefix("V"), _STAMP).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        for text in parts[-2:]
    )
    digest = hashlib.md5(name.encode()).hexdigest()
    return {
        "Id": f"id-{digest}",
        "Name": f"{name}.EOF",
        "ContentLength": 4_409_836,
        "Online": True,
        "Checksum": [{"Value": digest, "Algorithm": "MD5"}, {"Value": "", "Algorithm": "BLAKE3"}],
        "ContentDate": {"Start": start, "End": stop},
        "GeoFootprint": None,
        "Attributes": [
            {"Name": "productType", "ValueType": "String", "Value": f"AUX_{parts[3]}"},
        ],
    } | changes


@dataclass
class MadeCatalogue:
    """A catalogue of records; ``asked`` holds every question."""

    listed: Sequence[dict[str, Any]]
    asked: list[tuple[tuple[str, ...], datetime, datetime]] = field(default_factory=list)

    def records(
        self, filters: Sequence[str], start: datetime, stop: datetime
    ) -> Iterator[dict[str, Any]]:
        self.asked.append((tuple(filters), start, stop))
        for each in self.listed:
            begin = datetime.fromisoformat(each["ContentDate"]["Start"])
            prefix = each["Name"][:4]
            kind = each["Attributes"][0]["Value"]
            wanted = f"startswith(Name,'{prefix}')" in filters and any(
                f"eq '{kind}'" in text for text in filters
            )
            if wanted and start <= begin < stop:
                yield each


def eof(
    name: str,
    *,
    mission: str | None = None,
    step_s: float = 10.0,
    vectors: int | None = None,
    announced: int | None = None,
    radius_m: float = 7.07e6,
) -> str:
    """Return the content of an orbit file that is what its name says, unless told otherwise."""
    parts = name.split("_")
    start, stop = (
        datetime.strptime(text.removeprefix("V"), _STAMP).replace(tzinfo=UTC) for text in parts[-2:]
    )
    times: list[datetime] = []
    now = start
    while now <= stop and (vectors is None or len(times) < vectors):
        times.append(now)
        now += timedelta(seconds=step_s)
    body = "".join(_vector(time, (time - start).total_seconds(), radius_m) for time in times)
    iso = "%Y-%m-%dT%H:%M:%S"
    return f"""<?xml version="1.0" ?>
<Earth_Explorer_File>
  <Earth_Explorer_Header>
    <Fixed_Header>
      <File_Name>{name}</File_Name>
      <File_Description>Made-up orbit</File_Description>
      <Mission>{mission or f"Sentinel-{name[1:3]}"}</Mission>
      <File_Class>OPER</File_Class>
      <File_Type>AUX_{parts[3]}</File_Type>
      <Validity_Period>
        <Validity_Start>UTC={start:{iso}}</Validity_Start>
        <Validity_Stop>UTC={stop:{iso}}</Validity_Stop>
      </Validity_Period>
    </Fixed_Header>
    <Variable_Header><Ref_Frame>EARTH_FIXED</Ref_Frame></Variable_Header>
  </Earth_Explorer_Header>
  <Data_Block type="xml">
    <List_of_OSVs count="{len(times) if announced is None else announced}">
{body}    </List_of_OSVs>
  </Data_Block>
</Earth_Explorer_File>
"""


def _vector(time: datetime, since_s: float, radius_m: float) -> str:
    angle = 2 * math.pi * since_s / 5925
    x, z = radius_m * math.cos(angle), radius_m * math.sin(angle)
    vx, vz = -z * 2 * math.pi / 5925, x * 2 * math.pi / 5925
    stamp = f"{time:%Y-%m-%dT%H:%M:%S.%f}"
    return (
        f"      <OSV><TAI>TAI={stamp}</TAI><UTC>UTC={stamp}</UTC><UT1>UT1={stamp}</UT1>"
        f'<Absolute_Orbit>+36000</Absolute_Orbit><X unit="m">{x:.6f}</X><Y unit="m">0.0</Y>'
        f'<Z unit="m">{z:.6f}</Z><VX unit="m/s">{vx:.6f}</VX>'
        f'<VY unit="m/s">0.0</VY><VZ unit="m/s">{vz:.6f}</VZ><Quality>NOMINAL</Quality></OSV>\n'
    )
