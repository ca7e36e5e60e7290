"""Made-up products in SAFE format: a manifest as real ones have it, a few bytes for every image."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

#: Around Svalbard: latitude, longitude.
CORNERS = ((77.0, 10.0), (77.5, 20.0), (79.5, 18.0), (79.0, 8.0))
NAMES = {
    "hh": "S1A_IW_GRDH_1SDH_20200305T065432_20200305T065457_031540_03A21C_1A2B",
    "vv": "S1B_IW_GRDH_1SDV_20200611T160000_20200611T160025_021988_029B90_0C0D",
    "ew": "S1A_EW_GRDM_1SDH_20200306T070000_20200306T070104_031555_03A2A0_5E6F",
    "s2": "S2A_MSIL2A_20200715T124711_N0214_R138_T33XVG_20200715T145016",
}


def safe_files(name: str) -> dict[str, bytes]:
    """Return content by path of the files that the manifest of a product lists."""
    if name.startswith("S2"):
        return {
            "MTD_MSIL2A.xml": b"<p><Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment></p>",
            "GRANULE/L2A/IMG_DATA/R10m/T33XVG_B04_10m.jp2": b"red" * 50,
        }
    stem = name.lower()
    tail = stem[17:62].replace("_", "-")
    pair = ("hh", "hv") if "_1SDH_" in name else ("vv", "vh")
    files = {"preview/quick-look.png": b"preview"}
    for number, polarisation in enumerate(pair, start=1):
        file = f"{stem[:10].replace('_', '-')}-{polarisation}-{tail}-{number:03}"
        files[f"annotation/{file}.xml"] = f"<a>{polarisation}</a>".encode()
        files[f"annotation/calibration/calibration-{file}.xml"] = f"<c>{polarisation}</c>".encode()
        files[f"annotation/calibration/noise-{file}.xml"] = f"<n>{polarisation}</n>".encode()
        files[f"measurement/{file}.tiff"] = polarisation.encode() * 1000
    return files


def manifest(
    name: str,
    files: Mapping[str, bytes],
    corners: tuple[tuple[float, float], ...] = CORNERS,
    direction: str = "DESCENDING",
    track: int = 66,
) -> bytes:
    """Return the manifest of a product."""
    comma = " " if name.startswith("S2") else ","
    points = " ".join(f"{lat}{comma}{lon}" for lat, lon in corners)
    objects = "".join(
        f'<dataObject><byteStream size="{len(data)}"><fileLocation href="./{path}"/>'
        f'<checksum checksumName="MD5">{hashlib.md5(data).hexdigest()}</checksum>'
        "</byteStream></dataObject>"
        for path, data in files.items()
    )
    return (
        '<x:XFDU xmlns:x="urn:x" xmlns:safe="urn:safe" xmlns:gml="urn:gml"><metadataSection>'
        '<safe:software name="Sentinel-1 IPF" version="003.40"/>'
        f'<safe:relativeOrbitNumber type="start">{track}</safe:relativeOrbitNumber>'
        f"<safe:pass>{direction}</safe:pass>"
        f"<gml:coordinates>{points}</gml:coordinates></metadataSection>"
        f"<dataObjectSection>{objects}</dataObjectSection></x:XFDU>"
    ).encode()


def write_folder(parent: Path, name: str, **told: object) -> Path:
    """Write a folder NAME.SAFE and return it; ``told`` goes to the manifest."""
    folder = parent / f"{name}.SAFE"
    files = safe_files(name)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "manifest.safe").write_bytes(manifest(name, files, **told))  # type: ignore[arg-type]
    return folder


def write_zip(parent: Path, name: str, more: Mapping[str, bytes] | None = None) -> Path:
    """Write a zip NAME.zip and return it.

    Args:
        parent: folder.
        name: of the product.
        more: members by whole path that are added, or that replace those of the product.
    """
    files = safe_files(name)
    members = {f"{name}.SAFE/{path}": data for path, data in files.items()}
    members[f"{name}.SAFE/manifest.safe"] = manifest(name, files)
    parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(parent / f"{name}.zip", "w") as archive:
        for path, data in (members | dict(more or {})).items():
            archive.writestr(path, data)
    return parent / f"{name}.zip"
