"""Catalogue of the Copernicus Data Space Ecosystem (OData), walked without loss or repetition.

What the catalogue does, by its documentation and its answers: pages of 1000 records at most;
``$skip`` of 10,000 at most, above it error 422, and the link to the next page is then missing
without an error, so pages are asked for by ``$skip``; without ``$orderby`` pages lose and repeat
records, with it the catalogue itself orders records of one time by their identifier, and takes no
second key. So each time window is compared with the number of records that the catalogue counts in
it, and a window that is too long to be paged through, or whose pages disagree with the count, is
split in time.

Source of the filters: section "Filter option" of its OData page. It takes points and polygons but
no MULTIPOLYGON, so an area in several parts is asked for part by part. The filter by an integer
attribute is not used: its documented form and the one that users found to work contradict each
other, and a form that is not understood loses products in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from shapely.geometry import Polygon, box
from shapely.geometry.polygon import orient

from ssl4sar.acquire.catalogue.footprint import footprint_of
from ssl4sar.acquire.catalogue.record import checksums_of, known_form, product_of
from ssl4sar.acquire.product import Mission, Product, utc_text
from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess, RefusedError
from ssl4sar.acquire.query import Query
from ssl4sar.core.errors import UserError

Record = dict[str, Any]
_ATTRIBUTES: Final = {
    "orbit_direction": "orbitDirection",
    "relative_orbit": "relativeOrbitNumber",
    "processor_version": "processorVersion",
    "cloud_percent": "cloudCover",
    "product_type": "productType",
    "mode": "operationalMode",
    "polarisations": "polarisationChannels",
}
_NODE_TIMES: Final = ("startTimeFromAscendingNode", "completionTimeFromAscendingNode")
#: The catalogue's times are as fine as this, so a shorter window holds one time only.
_SHORTEST_WINDOW: Final = timedelta(microseconds=1)
_STRIPMAP_BEAMS: Final = range(1, 7)
#: Servers and proxies take addresses of 8 kB; the filter is the longest part, percent-encoded.
LONGEST_POLYGON_CHARS: Final = 3000


class ODataCatalogue:
    """Search in the catalogue.

    Args:
        url: address up to ``/odata/v1``.
        page_size: records per page, 1 to 1000.
        max_skip: largest ``$skip`` that the catalogue takes.
        access: connection; by default a patient one to ``url``.
    """

    def __init__(
        self,
        url: str,
        page_size: int = 1000,
        max_skip: int = 10_000,
        *,
        access: CatalogueAccess | None = None,
    ) -> None:
        self._access = access or CatalogueAccess(url)
        self._url = f"{self._access.url}/Products"
        self._page_size = page_size
        self._max_skip = max_skip

    @property
    def requests(self) -> int:
        """Questions asked so far."""
        return self._access.requests

    def products(self, query: Query) -> Iterator[Product]:
        """Yield the products that the catalogue lists for a query, each once.

        It is not asked for tracks and directions, and may list a footprint across the antimeridian
        though it is elsewhere: compare them with the query.

        Raises:
            UserError: see :meth:`records`; or a record is of another form.
        """
        seen: set[str] = set()
        for part in query.glacier.area.geoms:
            filters = [*query_filters(query), intersects(part)]
            for record in self.records(filters, query.start, query.stop):
                if record["Id"] in seen:
                    continue
                seen.add(record["Id"])
                with known_form(self._access.url, "correct cdse.catalogue_url"):
                    product = product_of_record(record, query.mission)
                yield product

    def records(self, filters: Sequence[str], start: datetime, stop: datetime) -> Iterator[Record]:
        """Yield the records of a window of time, each once, ordered by start.

        Args:
            filters: conditions of the catalogue's language that must all hold.
            start: records whose content starts at or after this time.
            stop: and before this time.

        Raises:
            UserError: the catalogue cannot be reached, refuses, answers something else, or gives
                other records than it counts.
        """
        if start >= stop:
            return
        window = self._window(filters, start, stop)
        if not window.is_complete and (window.fits(self._page_size) or _is_instant(start, stop)):
            window = self._window(filters, start, stop)  # it may just have changed
            if not window.is_complete:
                self._give_up(start, stop, window)
        if window.is_complete:
            yield from window.records.values()
            return
        middle = start + (stop - start) / 2
        yield from self.records(filters, start, middle)
        yield from self.records(filters, middle, stop)

    def _window(self, filters: Sequence[str], start: datetime, stop: datetime) -> _Window:
        """Walk through the pages of a window; of one that is too long only the first is taken."""
        within = f"ContentDate/Start ge {utc_text(start)} and ContentDate/Start lt {utc_text(stop)}"
        asked = {
            "$filter": " and ".join([*filters, within]),
            "$orderby": "ContentDate/Start asc",
            "$top": str(self._page_size),
            "$expand": "Attributes",
        }
        page = self._page(asked | {"$count": "true"})
        counted = page.get("@odata.count")
        if not isinstance(counted, int) or isinstance(counted, bool):
            raise self._other_shape("a page without the number of records")
        window = _Window(counted)
        window.take(page["value"])
        if window.counted > self._max_skip and not _is_instant(start, stop):
            return window
        while page["value"] and window.taken < window.counted:
            try:
                page = self._page(asked | {"$skip": str(window.taken)})
            except RefusedError:
                break  # e.g. 422 beyond the largest skip; the count says what is missing
            window.take(page["value"])
        return window

    def _page(self, asked: dict[str, str]) -> Record:
        """Return a page whose records can be distinguished."""
        page = self._access.json(self._url, asked)
        records = page.get("value")
        if not isinstance(records, list) or not all(
            isinstance(each, dict) and isinstance(each.get("Id"), str) for each in records
        ):
            raise self._other_shape("a page without a list of records with identifiers")
        return page

    def _other_shape(self, what: str) -> UserError:
        return UserError(
            self._access.url, f"the catalogue answered with {what}", "correct cdse.catalogue_url"
        )

    def _give_up(self, start: datetime, stop: datetime, window: _Window) -> NoReturn:
        raise UserError(
            self._access.url,
            f"the catalogue counts {window.counted} records from {start:%Y-%m-%d %H:%M:%S.%f} to "
            f"{stop:%Y-%m-%d %H:%M:%S.%f} and gives {len(window.records)} different ones",
            "rerun later; if it stays, the catalogue is at fault: nothing was written",
        )


@dataclass
class _Window:
    """Records of a window by identifier, how many were given and how many are counted."""

    counted: int
    taken: int = 0
    records: dict[str, Record] = field(default_factory=dict)

    def take(self, records: list[Record]) -> None:
        self.taken += len(records)
        self.records |= {record["Id"]: record for record in records}

    @property
    def is_complete(self) -> bool:
        return len(self.records) == self.counted

    def fits(self, page_size: int) -> bool:
        return max(self.counted, self.taken) <= page_size


def product_of_record(record: Mapping[str, Any], mission: Mission) -> Product:
    """Return the product of a record.

    Args:
        record: as the catalogue lists it with ``$expand=Attributes``.
        mission: whose collection was searched, for a name of an unknown form.

    Raises:
        ValueError: identifier, name or times are missing or of another form, or a value is one that
            no product has.
    """
    listed = record.get("Attributes")
    attributes = {
        each["Name"]: each.get("Value")
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and isinstance(each.get("Name"), str)
    }
    dates = record.get("ContentDate")
    times = dates if isinstance(dates, dict) else {}
    short = str(attributes.get("platformShortName", "")).replace("SENTINEL-", "S")
    serial = str(attributes.get("platformSerialIdentifier", ""))
    return product_of(
        "cdse",
        {field: attributes.get(name) for field, name in _ATTRIBUTES.items()}
        | {
            "id": record.get("Id"),
            "name": record.get("Name"),
            "mission": mission,
            "platform": short + serial or "unknown",
            "start": times.get("Start"),
            "stop": times.get("End"),
            "footprint": footprint_of(record.get("GeoFootprint")),
            "node_ms": [attributes.get(name) for name in _NODE_TIMES],
            "size_bytes": record.get("ContentLength"),
            "checksums": checksums_of(record),
            "online": record.get("Online") is not False,
        },
    )


def query_filters(query: Query) -> list[str]:
    """Return the filters of a query that do not depend on time and place.

    The direction is not among them: the catalogue's attribute is that of the datatake's start.
    """
    kind, types = query.product_type, [query.product_type]
    if kind.startswith("SM_"):
        # Stripmaps are listed by their beam.
        types = [f"S{beam}{kind.removeprefix('SM')}" for beam in _STRIPMAP_BEAMS]
    conditions = [_attribute("String", "productType", f"eq {_quoted(each)}") for each in types]
    one_of = conditions[0] if len(conditions) == 1 else f"({' or '.join(conditions)})"
    filters = [collection_is(query.mission.upper()), one_of]
    if query.max_cloud_percent is not None and query.mission == "sentinel-2":
        filters.append(_attribute("Double", "cloudCover", f"le {query.max_cloud_percent:.2f}"))
    return filters


def collection_is(name: str) -> str:
    """Return the filter for a collection, e.g. SENTINEL-1."""
    return f"Collection/Name eq {_quoted(name)}"


def intersects(part: Polygon) -> str:
    """Return the filter for products that touch a polygon.

    Args:
        part: in degrees, within -180 to 180; of a long outline a simpler one that holds it is used.
    """
    return f"OData.CSC.Intersects(area=geography'SRID=4326;{_polygon_text(short_outline(part))}')"


def short_outline(part: Polygon) -> Polygon:
    """Return a polygon without holes that holds ``part`` and whose text is short enough.

    What the catalogue lists beyond the area is sorted out by its coverage.

    Args:
        part: in degrees, within -180 to 180.
    """
    whole = Polygon(part.exterior)
    for outline in (whole, whole.convex_hull):
        if isinstance(outline, Polygon) and len(_polygon_text(outline)) <= LONGEST_POLYGON_CHARS:
            return outline
    return orient(box(*part.bounds))


def _attribute(kind: str, name: str, condition: str) -> str:
    path = f"OData.CSC.{kind}Attribute"
    return (
        f"Attributes/{path}/any(att:att/Name eq {_quoted(name)} and att/{path}/Value {condition})"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _polygon_text(polygon: Polygon) -> str:
    points = ",".join(f"{_plain(x)} {_plain(y)}" for x, y, *_ in polygon.exterior.coords)
    return f"POLYGON(({points}))"


def _plain(degrees: float) -> str:
    """Return a number without an exponent, to a tenth of a millimetre on the ground."""
    return f"{degrees:.9f}".rstrip("0").rstrip(".")


def _is_instant(start: datetime, stop: datetime) -> bool:
    return stop - start <= _SHORTEST_WINDOW
