"""Filters of the OData catalogue of the Copernicus Data Space Ecosystem.

Source of the forms: documentation of the catalogue, section "Filter option" of its OData page. It
takes points and polygons but no MULTIPOLYGON, so an area in several parts is asked for part by
part. The filter by an integer attribute is not used: its documented form and the one that users
found to work contradict each other, and a form that is not understood loses products in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from shapely.geometry import Polygon, box
from shapely.geometry.polygon import orient

from ssl4sar.acquire.providers.base import Query

_COLLECTIONS: Final = {"sentinel-1": "SENTINEL-1", "sentinel-2": "SENTINEL-2"}
_STRIPMAP_BEAMS: Final = 6
_GLOBE: Final = box(-180.0, -90.0, 180.0, 90.0)
#: Margins to try when an outline is too long for an address, degrees.
_MARGINS_DEG: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
#: Servers and proxies take addresses of 8 kB; the filter is the longest part, percent-encoded.
LONGEST_POLYGON_CHARS: Final = 3000


def quoted(text: str) -> str:
    """Return a string literal."""
    return "'" + text.replace("'", "''") + "'"


def collection_is(name: str) -> str:
    """Return the filter for a collection, e.g. SENTINEL-1."""
    return f"Collection/Name eq {quoted(name)}"


def string_is(attribute: str, value: str) -> str:
    """Return the filter for the value of a string attribute."""
    kind = "OData.CSC.StringAttribute"
    return (
        f"Attributes/{kind}/any(att:att/Name eq {quoted(attribute)} "
        f"and att/{kind}/Value eq {quoted(value)})"
    )


def double_at_most(attribute: str, value: float) -> str:
    """Return the filter for the greatest value of an attribute that holds a number."""
    kind = "OData.CSC.DoubleAttribute"
    return (
        f"Attributes/{kind}/any(att:att/Name eq {quoted(attribute)} "
        f"and att/{kind}/Value le {value:.2f})"
    )


def any_of(filters: Sequence[str]) -> str:
    """Return the filter that holds where one of some filters holds."""
    return filters[0] if len(filters) == 1 else "(" + " or ".join(filters) + ")"


def starts_within(start: datetime, stop: datetime) -> str:
    """Return the filter for products that start at or after ``start`` and before ``stop``."""
    return f"ContentDate/Start ge {_time(start)} and ContentDate/Start lt {_time(stop)}"


def intersects(part: Polygon) -> str:
    """Return the filter for products that touch a polygon.

    Args:
        part: in degrees, within -180 to 180; of a long outline a simpler one that holds it is used.
    """
    return f"OData.CSC.Intersects(area=geography'SRID=4326;{_polygon_text(short_outline(part))}')"


def product_types(product_type: str) -> tuple[str, ...]:
    """Return what a product type is called in the catalogue: stripmaps are listed by their beam."""
    if product_type.startswith("SM_"):
        rest = product_type.removeprefix("SM")
        return tuple(f"S{beam}{rest}" for beam in range(1, _STRIPMAP_BEAMS + 1))
    return (product_type,)


def query_filters(query: Query) -> list[str]:
    """Return the filters of a query that do not depend on time and place.

    The direction is not among them: the catalogue's attribute is that of the datatake's start.
    """
    types = [string_is("productType", name) for name in product_types(query.product_type)]
    filters = [collection_is(_COLLECTIONS[query.mission]), any_of(types)]
    if query.max_cloud_percent is not None and query.mission == "sentinel-2":
        filters.append(double_at_most("cloudCover", query.max_cloud_percent))
    return filters


def short_outline(part: Polygon, longest_chars: int = LONGEST_POLYGON_CHARS) -> Polygon:
    """Return a polygon without holes that holds ``part`` and whose text is short enough.

    Args:
        part: in degrees, within -180 to 180.
        longest_chars: length of its text at most; a rectangle is returned whatever its length.
    """
    whole = Polygon(part.exterior)
    if len(_polygon_text(whole)) <= longest_chars:
        return whole
    hull = whole.convex_hull
    for margin in _MARGINS_DEG:
        # Simplifying and rounding move the outline by less than the margin that was added.
        wide = hull.buffer(margin, join_style="mitre").simplify(margin / 2.0)
        if not isinstance(wide, Polygon):
            continue
        rounded = Polygon([(round(x, 4), round(y, 4)) for x, y in wide.exterior.coords])
        outline = rounded.intersection(_GLOBE)
        if not isinstance(outline, Polygon) or not outline.covers(part):
            continue
        if len(_polygon_text(outline)) <= longest_chars:
            return orient(outline)
    return orient(box(*part.bounds))


def _polygon_text(polygon: Polygon) -> str:
    points = ",".join(f"{_plain(x)} {_plain(y)}" for x, y, *_ in polygon.exterior.coords)
    return f"POLYGON(({points}))"


def _plain(degrees: float) -> str:
    """Return a number without an exponent, to a tenth of a millimetre on the ground."""
    return f"{degrees:.9f}".rstrip("0").rstrip(".")


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
