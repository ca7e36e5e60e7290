"""Items of a STAC API as products: names, assets of bands and polarisations, checksums.

Sources: STAC specification 1.0 and 1.1 with the extensions eo, sar, sat, file (multihash) and
alternate assets; asset names of Earth Search v1, with those of the Planetary Computer (B04) and of
the Copernicus Data Space (B04_10m) as alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from ssl4sar.acquire.catalogue.footprint import footprint_of
from ssl4sar.acquire.catalogue.record import fields_of, product_of
from ssl4sar.acquire.product import Product
from ssl4sar.core.hashing import CHECKSUM_DIGITS, Checksum
from ssl4sar.core.pair_layout import BANDS

_FIELDS: Final = {
    "orbit_direction": "sat:orbit_state",
    "relative_orbit": "sat:relative_orbit",
    "processor_version": "processing:version",
    "cloud_percent": "eo:cloud_cover",
}
#: Assets of Earth Search by the bands of the pretraining.
BAND_ASSETS: Final = dict(
    zip(
        BANDS,
        (
            *("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir"),
            *("nir08", "nir09", "swir16", "swir22", "aot", "wvp", "scl"),
        ),
        strict=True,
    )
)
#: Role of the address of the item itself.
ITEM_ROLE: Final = "item"
_SAR_METADATA: Final = ("schema-product-{}", "schema-calibration-{}", "schema-noise-{}")
_MANIFEST: Final = "safe-manifest"
#: A Sentinel name anywhere in a text, the COG twin included.
_NAME: Final = re.compile(
    r"S1[A-D]_[A-Z0-9]{2}_[A-Z]{3}[A-Z_]_[A-Z0-9]{4}_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}"
    r"_[0-9A-F]{4}(?:_COG)?|S2[A-D]_MSIL[12][AC]_\d{8}T\d{6}_N\d{4}_R\d{3}_T\w{5}_\d{8}T\d{6}"
)
#: How a hexadecimal multihash begins, code and length, by algorithm.
_MULTIHASH: Final = {
    "1220": "sha256",
    "1340": "sha512",
    "1620": "sha3-256",
    "1e20": "blake3",
    "d50110": "md5",
}


def product_of_item(item: Mapping[str, Any]) -> Product:
    """Return the product of an item, with the addresses and checksums of its assets.

    The checksums are called ``ALGORITHM/ASSET``: each belongs to one file.

    Args:
        item: GeoJSON feature.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not an item of a Sentinel product, or
            of another form.
    """
    properties = item["properties"]
    time = properties.get("datetime")
    start = properties.get("start_datetime") or time
    more = {
        "id": str(item["id"]),
        "name": _name(item),
        "start": start,
        "stop": properties.get("end_datetime") or time or start,
        "footprint": footprint_of(item["geometry"]),
        "urls": _urls(item),
        "checksums": dict(_checksums(item["assets"])),
    }
    return product_of("stac", fields_of(properties, _FIELDS) | more)


def sar_assets(urls: Mapping[str, str], polarisation: str) -> tuple[str, ...]:
    """Return the assets of one polarisation: measurement and what there is of its metadata.

    Args:
        urls: addresses of a product by asset.
        polarisation: HH, HV, VV, VH or copolar.

    Raises:
        KeyError: there is no such measurement.
    """
    wanted = ("HH", "VV") if polarisation == "copolar" else (polarisation,)
    for each in wanted:
        key = each.lower()
        if key in urls:
            metadata = [_MANIFEST, *(form.format(key) for form in _SAR_METADATA)]
            return (key, *(asset for asset in metadata if asset in urls))
    raise KeyError(" or ".join(wanted))


def optical_assets(urls: Mapping[str, str], bands: Sequence[str]) -> tuple[str, ...]:
    """Return the assets of bands, each in its finest resolution.

    Args:
        urls: addresses of a product by asset.
        bands: names as in :data:`ssl4sar.core.pair_layout.BANDS`.

    Raises:
        KeyError: there is no asset of a band.
    """
    return tuple(_optical_asset(urls, band) for band in bands)


def _optical_asset(urls: Mapping[str, str], band: str) -> str:
    padded = f"B0{band[1]}" if re.fullmatch(r"B\d", band) else band
    names = [BAND_ASSETS.get(band, band), padded]
    names += [f"{padded}_{metres}m" for metres in (10, 20, 60)]
    for name in names:
        if name in urls:
            return name
    raise KeyError(band)


def file_name(asset: str, url: str) -> str:
    """Return the name under which an asset is stored: its key with the ending of the address.

    Raises:
        ValueError: the key is not fit for a file name.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", asset) is None:
        raise ValueError(f"the asset is called {asset!r}")
    suffix = PurePosixPath(url.partition("?")[0].partition("#")[0]).suffix
    known = re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) is not None
    return asset + suffix if known and not asset.endswith(suffix) else asset


def parse_multihash(text: str) -> Checksum | None:
    """Read a hexadecimal multihash; None for an algorithm or length that is not known here.

    Raises:
        ValueError: it is not hexadecimal.
    """
    bytes.fromhex(text)
    for start, algorithm in _MULTIHASH.items():
        digits = text.lower().removeprefix(start)
        if text.lower().startswith(start) and CHECKSUM_DIGITS.get(algorithm) == len(digits):
            return Checksum(algorithm, digits)
    return None


def _name(item: Mapping[str, Any]) -> str:
    """Return the official name: catalogues call items by names of their own."""
    properties = item["properties"]
    places = [properties.get("s2:product_uri"), properties.get("s1:product_identifier")]
    places += [item["id"], properties.get("title")]
    places += [asset.get("href") for asset in item["assets"].values()]
    for place in places:
        match = _NAME.search(str(place or ""))
        if match is not None:
            return match[0]
    raise ValueError(f"item {item['id']!r} does not say the name of its Sentinel product")


def _urls(item: Mapping[str, Any]) -> dict[str, str]:
    urls = {key: _href(asset) for key, asset in item["assets"].items() if "href" in asset}
    for link in item.get("links", ()):
        if link.get("rel") == "self" and ITEM_ROLE not in urls:
            urls[ITEM_ROLE] = link["href"]
    return urls


def _href(asset: Mapping[str, Any]) -> str:
    """Return an address that can be opened without an account of a storage, if there is one."""
    href = str(asset["href"])
    if href.startswith(("https://", "http://")):
        return href
    for other in (asset.get("alternate") or {}).values():
        if str(other.get("href", "")).startswith(("https://", "http://")):
            return str(other["href"])
    return href


def _checksums(assets: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, asset in assets.items():
        text = asset.get("file:checksum")
        checksum = None if text is None else parse_multihash(text)
        if checksum is not None:
            yield f"{checksum.algorithm}/{key}", checksum.digits
