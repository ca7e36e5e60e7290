"""STAC metadata of a stack (STAC 1.1): an item per scene, a collection per glacier.

Extensions: sar, sat, projection, view, file, processing (stac-extensions.github.io). Places are in
degrees and cut at the antimeridian, as GeoJSON wants them; what is in metres is in ``proj:``.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pystac
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.sar import FrequencyBand, Polarization, SarExtension
from pystac.extensions.sat import OrbitState, SatExtension
from shapely import to_geojson
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from ssl4sar.acquire.areas import cut_at_antimeridian
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_json
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.grid import Grid
from ssl4sar.sar.coding import NODATA, STEPS_PER_DB, GrayMapping
from ssl4sar.stack.record import StackedScene, StackRecord, geometry_path, image_path
from ssl4sar.stack.scene_files import quick_look
from ssl4sar.version import VERSION

_COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
_RASTER: Final = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
_PROCESSING: Final = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
#: Longer side of a thumbnail, as reviewers of catalogues expect it at most.
_THUMBNAIL_PX: Final = 256
_CENTRE_GHZ: Final = 5.405
#: Points per side of an area whose sides bow in degrees.
_SIDE_POINTS: Final = 21
#: A tenth of a metre.
_EXACT_DEG: Final = 1e-6
_ATTRIBUTION: Final = "Contains modified Copernicus Sentinel data"
_SYNTHETIC: Final = "SYNTHETIC: made by the ssl4sar scene model, not observed"


def area_in_degrees(grid: Grid) -> BaseGeometry:
    """Return the outline of a grid as polygons in degrees, cut at the antimeridian."""
    from rasterio.warp import transform

    steps = np.linspace(0, 1, _SIDE_POINTS)
    columns = np.concatenate([steps, steps * 0 + 1, 1 - steps, steps * 0]) * grid.width
    rows = np.concatenate([steps * 0, steps, steps * 0 + 1, 1 - steps]) * grid.height
    places = [grid.place(*each) for each in zip(columns, rows, strict=True)]
    lon, lat = transform(grid.crs, "EPSG:4326", *zip(*places, strict=True))
    pieces = unary_union(cut_at_antimeridian(Polygon(zip(lon, lat, strict=True))))
    return pieces.simplify(_EXACT_DEG)


def scene_item(
    stack: StackRecord, scene: StackedScene, record: str | Path, folder: Path | None = None
) -> pystac.Item:
    """Return the STAC item of a scene that has an image.

    Args:
        stack: its stack.
        scene: one of :attr:`StackRecord.usable`.
        record: file of the record.
        folder: folder of the item; None: that of the record.
    """
    facts, grid = scene.facts, stack.pixels
    path = image_path(record, scene)
    shape = area_in_degrees(grid)
    item = pystac.Item(
        id=path.stem,
        geometry=parse_json(to_geojson(shape)),
        bbox=_bbox(shape),
        datetime=datetime.fromisoformat(facts["start"]),
        properties={
            "title": f"{stack.glacier}, {scene.day}",
            "description": f"{facts['quantity']} of {scene.product} on the grid of "
            f"{stack.glacier}. {_note(scene)}.",
            "start_datetime": _utc(facts["start"]),
            "end_datetime": _utc(facts["stop"]),
            "platform": _platform(facts["platform"]),
            "constellation": "sentinel-1",
            "instruments": ["c-sar"],
            "gsd": grid.spacing,
            "processing:level": "L2",
            "processing:software": {
                "ssl4sar": VERSION,
                "Sentinel-1 IPF": facts["processor_version"],
                **_engine_software(facts),
            },
            "processing:lineage": _lineage(facts),
            **_quality(scene),
        },
        stac_extensions=[_PROCESSING, _RASTER],
    )
    sar = SarExtension.ext(item, add_if_missing=True)
    sar.apply(
        instrument_mode=facts["mode"],
        frequency_band=FrequencyBand.C,
        polarizations=[Polarization(facts["polarisation"])],
        product_type="GRD",
        center_frequency=_CENTRE_GHZ,
    )
    sat = SatExtension.ext(item, add_if_missing=True)
    sat.apply(
        orbit_state=OrbitState(facts["orbit_pass"]) if facts["orbit_pass"] else None,
        relative_orbit=facts["relative_orbit"],
        absolute_orbit=facts["absolute_orbit"],
    )
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    projection.apply(code=grid.crs, shape=list(grid.shape), transform=list(grid.transform))
    if facts.get("incidence_deg") is not None:
        item.stac_extensions.append("https://stac-extensions.github.io/view/v1.0.0/schema.json")
        item.properties["view:incidence_angle"] = facts["incidence_deg"]
    _add_images(item, scene, record, folder or Path(record).parent)
    return item


def _add_images(item: pystac.Item, scene: StackedScene, record: str | Path, folder: Path) -> None:
    """Add the images of a scene to its item, which is in ``folder``."""
    image = _cog(["data"], f"{scene.facts['quantity']}, dB x 100", [_band("backscatter", "dB")])
    geometry = _cog(
        ["metadata", "local-incidence-angle", "terrain-occlusion", "terrain-shadow"],
        "local incidence angle, layover and shadow",
        [
            _band("local_incidence_angle", "degree"),
            _band("layover_shadow", description="0 neither, 1 layover, 2 shadow, 3 both"),
        ],
    )
    assets = (
        ("backscatter", image, image_path(record, scene), scene.sha256),
        ("geometry", geometry, geometry_path(record, scene), scene.geometry_sha256),
    )
    for name, asset, file, sha256 in assets:
        asset.href = Path(os.path.relpath(file, folder)).as_posix()
        item.add_asset(name, asset)
        FileExtension.ext(asset, add_if_missing=True).apply(
            # A multihash: function 0x12 (SHA-256), length 0x20.
            checksum=f"1220{sha256}",
            size=file.stat().st_size,
        )


def _cog(roles: list[str], title: str, bands: list[dict[str, Any]]) -> pystac.Asset:
    return pystac.Asset("", title, None, _COG, roles, {"bands": bands})


def _band(name: str, unit: str | None = None, description: str | None = None) -> dict[str, Any]:
    """Return a band of 16-bit numbers; those with a unit are stored in hundredths of it."""
    scaled = {"unit": unit, "raster:scale": 1 / STEPS_PER_DB} if unit else {}
    about = {"description": description} if description else {}
    return {"name": name, **about, "data_type": "int16", "nodata": NODATA, **scaled}


def write_stac(
    stack: StackRecord,
    record: str | Path,
    folder: Path | None = None,
    mapping: GrayMapping | None = None,
) -> Path:
    """Write items of all scenes with their thumbnails, and the collection.

    Args:
        stack: the scenes.
        record: file of the record.
        folder: folder of the items; None: that of the record.
        mapping: decibels to grey of the thumbnails; None: the default.

    Returns:
        The collection, ``collection.json``.

    Raises:
        UserError: an item does not hold what STAC asks for.
    """
    folder = folder or Path(record).parent
    items = []
    for scene in stack.usable:
        item = scene_item(stack, scene, record, folder)
        item.add_asset("thumbnail", _thumbnail(scene, record, folder, mapping or GrayMapping()))
        items.append(item)
    shape = area_in_degrees(stack.pixels)
    times = [item.datetime for item in items if item.datetime is not None]
    collection = pystac.Collection(
        id=stack.glacier,
        title=f"Sentinel-1 images of {stack.glacier}",
        description=f"Calibrated and terrain-corrected images of {stack.glacier} on one grid. "
        + (_note(stack.usable[0]) if items else "No scene could be made")
        + ".",
        extent=pystac.Extent(
            pystac.SpatialExtent([_bbox(shape)]),
            pystac.TemporalExtent([[min(times, default=None), max(times, default=None)]]),
        ),
        license="other",
    )
    for item in items:
        problems = item_problems(item.to_dict(include_self_link=False))
        if problems:
            raise UserError(folder / f"{item.id}.json", "; ".join(problems), "report this fault")
        item.set_collection(collection)
        links = [
            {"rel": "collection", "href": "collection.json", "type": "application/json"},
        ]
        document = {**item.to_dict(include_self_link=False), "links": links}
        write_json(folder / f"{item.id}.json", document)
    links = [
        {"rel": "item", "href": f"{item.id}.json", "type": "application/geo+json"} for item in items
    ]
    path = folder / "collection.json"
    write_json(path, {**collection.to_dict(include_self_link=False), "links": links})
    return path


def _thumbnail(
    scene: StackedScene, record: str | Path, folder: Path, mapping: GrayMapping
) -> pystac.Asset:
    image = image_path(record, scene)
    path = folder / f"{image.stem}.png"
    text = {"Product": scene.product, "Comment": _note(scene)}
    write_gray(path, quick_look(image, mapping, _THUMBNAIL_PX), text)
    title = f"{mapping.low_db:g} to {mapping.high_db:g} dB as grey"
    return pystac.Asset(path.name, title, None, pystac.MediaType.PNG, ["thumbnail"])


def item_problems(item: dict[str, Any]) -> list[str]:
    """Return what reviewers of STAC catalogues find wrong with an item, in words.

    The schemas of STAC are on the network; this is what can be said without one.
    """
    problems = []
    west, south, east, north = item["bbox"]
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        problems.append(f"its bbox {item['bbox']} is not in degrees")
    properties = item["properties"]
    if not properties.get("description"):
        problems.append("it has no description")
    for key in ("datetime", "start_datetime", "end_datetime"):
        try:
            aware = datetime.fromisoformat(properties[key]).tzinfo is not None
        except (KeyError, TypeError, ValueError):
            aware = False
        if not aware:
            problems.append(f"its {key} is not a time with a zone")
    if not item["assets"]:
        problems.append("it has no asset")
    return problems


def _bbox(shape: BaseGeometry) -> list[float]:
    """Return west, south, east, north; west is greater than east across the antimeridian."""
    west, south, east, north = shape.bounds
    if isinstance(shape, MultiPolygon):
        west = min(part.bounds[0] for part in shape.geoms if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in shape.geoms if part.bounds[2] < 0)
    return [west, south, east, north]


def _utc(time: str) -> str:
    return datetime.fromisoformat(time).isoformat().replace("+00:00", "Z")


def _platform(platform: str) -> str:
    return f"sentinel-{platform[1:].lower()}"


def _note(scene: StackedScene) -> str:
    return _SYNTHETIC if scene.synthetic else _ATTRIBUTION


def _engine_software(facts: dict[str, Any]) -> dict[str, str]:
    """Return names and versions of what geocoded in place of our own engine."""
    listed = facts.get("engine_versions", "").split(", ")
    pairs = (each.rpartition(" ") for each in listed if each)
    return {name: version for name, _, version in pairs}


def _lineage(facts: dict[str, Any]) -> str:
    by = facts.get("engine_versions") or "range and Doppler"
    return (
        f"GRD {facts['product']}; thermal noise {facts['noise']}; calibrated to "
        f"{facts['quantity']}; terrain-corrected by {by} with the elevation model "
        f"{facts.get('elevation', 'unknown')}, orbit: {facts['orbit_source']}"
    )


def _quality(scene: StackedScene) -> dict[str, Any]:
    """Return how well the scene is placed, as measured on stable terrain."""
    shift = scene.shift
    if shift is None or shift.x_m is None or shift.y_m is None:
        return {"ssl4sar:geolocation": None if shift is None else shift.problem}
    return {
        "ssl4sar:shift_m": [shift.x_m, shift.y_m],
        "ssl4sar:shift_spread_px": shift.spread_px,
        "ssl4sar:geolocation": shift.problem or "within limits",
    }
