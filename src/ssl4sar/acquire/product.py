"""One Sentinel product as a catalogue lists it, whatever the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

Mission = Literal["sentinel-1", "sentinel-2"]
OrbitDirection = Literal["ascending", "descending"]
#: Product type of images of the scene model, which stand for any other.
SYNTHETIC_TYPE: Final = "synthetic"
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of a catalogue; a line of an inventory.

    Attributes:
        provider: name of the provider that lists and serves it.
        id: what the provider calls it, e.g. a UUID.
        name: name of the product without ``.SAFE`` or ``.zip``; fit for a file name and the same at
            every provider.
        mission: sentinel-1 or sentinel-2.
        platform: e.g. S1A.
        product_type: e.g. IW_GRDH_1S or S2MSI2A.
        start: first line, UTC.
        stop: last line, UTC.
        mode: acquisition mode of the radar, e.g. IW.
        polarisations: e.g. HH and HV; empty where the catalogue does not tell.
        relative_orbit: track, from 1.
        orbit_direction: of the satellite.
        datatake: identifier of the datatake as in the product's name, hexadecimal.
        processor_version: version of the processor (IPF) or processing baseline, e.g. 3.40.
        cloud_percent: clouds in the whole product, 0 to 100.
        size_bytes: size as listed; None where the catalogue does not tell.
        checksums: hexadecimal digests by algorithm (md5, blake3, sha256), lower case; may be empty.
        online: whether it can be fetched now.
        footprint: GeoJSON geometry in degrees, cut at the antimeridian; None where unknown.
        urls: addresses by role: ``product`` for the whole, else names of assets.
        tile: tile of a Sentinel-2 product, e.g. 33XVG.
    """

    provider: str
    id: str
    name: str
    mission: Mission
    platform: str
    product_type: str
    start: datetime
    stop: datetime
    mode: str | None = None
    polarisations: tuple[str, ...] = ()
    relative_orbit: int | None = None
    orbit_direction: OrbitDirection | None = None
    datatake: str | None = None
    processor_version: str | None = None
    cloud_percent: float | None = None
    size_bytes: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    online: bool = True
    footprint: Mapping[str, Any] | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    tile: str | None = None

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON values, with the keys in the order of their names."""
        values = dict(vars(self))
        values["start"] = self.start.astimezone(UTC).strftime(_TIME)
        values["stop"] = self.stop.astimezone(UTC).strftime(_TIME)
        values["polarisations"] = list(self.polarisations)
        values["checksums"] = dict(sorted(self.checksums.items()))
        values["urls"] = dict(sorted(self.urls.items()))
        return dict(sorted(values.items()))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the product of a line.

        Raises:
            ValueError: a key is missing, unknown, or its value is of another form.
        """
        values = dict(row)
        try:
            for key in ("start", "stop"):
                values[key] = datetime.strptime(values[key], _TIME).replace(tzinfo=UTC)
            values["polarisations"] = tuple(values.get("polarisations", ()))
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no product: {error}") from error
