"""Names of Sentinel-1 and Sentinel-2 products, which say much of what a catalogue may not.

Sources: Sentinel-1 Product Specification (S1-RS-MDA-52-7441), section 3.4.1; Sentinel-2 Products
Specification Document (S2-PDGS-TAS-DI-PSD), section 3.4.1, naming in use since December 2016.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ssl4sar.acquire.product import Mission

_TIME: Final = r"\d{8}T\d{6}"
_SAR: Final = re.compile(
    r"(?P<platform>S1[A-D])_(?P<mode>IW|EW|WV|EN|N[1-6]|S[1-6])_(?P<kind>RAW_|SLC_|GRD[FHM]|OCN_)_"
    r"(?P<level>[012][SACN])(?P<polarisation>SH|SV|DH|DV|HH|HV|VV|VH)_"
    rf"(?P<start>{_TIME})_(?P<stop>{_TIME})_(?P<orbit>\d{{6}})_(?P<datatake>[0-9A-F]{{6}})_"
    r"[0-9A-F]{4}(?P<cog>_COG)?",
    re.ASCII,
)
_OPTICAL: Final = re.compile(
    r"(?P<platform>S2[A-D])_MSIL(?P<level>1C|2A)_"
    rf"(?P<datatake>{_TIME})_N(?P<major>\d\d)(?P<minor>\d\d)_R(?P<relative_orbit>\d{{3}})_"
    rf"T(?P<tile>\d\d[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])_{_TIME}",
    re.ASCII,
)
_POLARISATIONS: Final = {
    "SH": ("HH",),
    "SV": ("VV",),
    "DH": ("HH", "HV"),
    "DV": ("VV", "VH"),
}
#: Absolute orbit before the first one of track 1, for the two satellites whose count is published.
_TRACK_OFFSET: Final = {"S1A": 73, "S1B": 27}
_TRACKS: Final = 175
#: First part of versions that are marks, not versions: what Sen2Cor makes at home is of baseline
#: 99.99.
_HOME_MADE: Final = 99


@dataclass(frozen=True, kw_only=True)
class ProductName:
    """What the name of a product says.

    Attributes:
        name: the name without ``.SAFE`` and ``.zip``.
        mission: sentinel-1 or sentinel-2.
        platform: e.g. S1A.
        product_type: as catalogues call it, e.g. IW_GRDH_1S or S2MSI2A; with ``-COG`` for the twin
            of a GRD whose images are cloud-optimised.
        start: to the second below, UTC: the first line, or of Sentinel-2 the datatake.
        stop: the last line, UTC; of Sentinel-2 the same as the start.
        datatake: six hexadecimal digits, or of Sentinel-2 the time of its start.
        mode: of the radar, e.g. IW; the beam S1 to S6 of a stripmap.
        polarisations: e.g. HH and HV.
        relative_orbit: track, from 1; None for satellites whose orbit count is not known here.
        baseline: processing baseline of Sentinel-2, e.g. 05.10.
        tile: of Sentinel-2, e.g. 33XVG.
    """

    name: str
    mission: Mission
    platform: str
    product_type: str
    start: datetime
    stop: datetime
    datatake: str | None = None
    mode: str | None = None
    polarisations: tuple[str, ...] = ()
    relative_orbit: int | None = None
    baseline: str | None = None
    tile: str | None = None


def bare_name(name: str) -> str:
    """Return the name of a product without ``.SAFE`` and ``.zip`` (upper or lower case)."""
    return re.sub(r"(\.(safe|zip))+$", "", name, flags=re.IGNORECASE)


def parse_name(name: str) -> ProductName:
    """Read the name of a product, with or without ``.SAFE`` and ``.zip``.

    Raises:
        ValueError: it is not a Sentinel-1 or Sentinel-2 name, or a time in it does not exist.
    """
    bare = bare_name(name)
    if match := _SAR.fullmatch(bare):
        kind = f"{match['mode']}_{match['kind']}_{match['level']}"
        letters, platform = match["polarisation"], match["platform"]
        offset = _TRACK_OFFSET.get(platform)
        return ProductName(
            name=bare,
            mission="sentinel-1",
            platform=platform,
            product_type=kind + ("-COG" if match["cog"] else ""),
            start=time_in_name(match["start"]),
            stop=time_in_name(match["stop"]),
            datatake=match["datatake"],
            mode=match["mode"],
            polarisations=_POLARISATIONS.get(letters, (letters,)),
            relative_orbit=None if offset is None else (int(match["orbit"]) - offset) % _TRACKS + 1,
        )
    if match := _OPTICAL.fullmatch(bare):
        start = time_in_name(match["datatake"])
        return ProductName(
            name=bare,
            mission="sentinel-2",
            platform=match["platform"],
            product_type=f"S2MSI{match['level']}",
            start=start,
            stop=start,
            datatake=match["datatake"],
            relative_orbit=int(match["relative_orbit"]),
            baseline=f"{match['major']}.{match['minor']}",
            tile=match["tile"],
        )
    raise ValueError(f"{name!r} is not the name of a Sentinel-1 or Sentinel-2 product")


def is_kind(product_type: str, wanted: str) -> bool:
    """Return whether a product is of the wanted kind.

    The cloud-optimised twin of a product, whose images are the same, counts as its kind, and each
    beam of a stripmap (S3_GRDH_1S) as stripmap (SM_GRDH_1S).
    """
    kind = product_type.removesuffix("-COG")
    return wanted in {kind, re.sub(r"^S[1-6]_", "SM_", kind)}


def version_parts(version: str | None) -> tuple[int, ...]:
    """Return a processor version in a form that can be compared; empty for None or no version.

    ESA writes the processor of Sentinel-1 as 002.91, 003.10, 003.40 and the baseline of Sentinel-2
    as 02.14, 05.10: every part is a whole number padded with zeros. Parts are therefore compared as
    whole numbers, so that 3.40 is later than 3.9, and 3.10 later than 2.91.
    """
    if version is None or re.fullmatch(r"[0-9]+(\.[0-9]+)*", version) is None:
        return ()
    return tuple(int(part) for part in version.split("."))


def version_rank(version: str | None) -> tuple[int, ...]:
    """Return a key that orders processor versions from the least to the most wanted.

    No version, or a text that is not one, comes first; then versions from 99 on, which mark what
    users processed at home (Sen2Cor writes N9999); then the official ones, the latest last.
    """
    parts = version_parts(version)
    if not parts:
        return (0,)
    return (1 if parts[0] >= _HOME_MADE else 2, *parts)


def plain_version(version: str | None) -> str | None:
    """Return the processor version of Sentinel-1 as people write it: 003.40 as 3.40."""
    parts = version_parts(version)
    if len(parts) != 2:
        return version or None
    return f"{parts[0]}.{parts[1]:02}"


def time_in_name(text: str) -> datetime:
    """Read a time as names of products and orbit files hold it, e.g. 20200704T061530."""
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
