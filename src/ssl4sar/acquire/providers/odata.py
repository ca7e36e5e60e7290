"""Catalogue of the Copernicus Data Space Ecosystem (OData), walked without loss or repetition.

What the catalogue does, by its documentation and its answers: pages of 1000 records at most;
``$skip`` of 10,000 at most, above it error 422, and the link to the next page is then missing
without an error; without ``$orderby`` pages lose and repeat records, with it the catalogue itself
orders records of one time by their identifier, and takes no second key. So each time window is
compared with the number of records that the catalogue counts in it, and a window that is too long
to be paged through, or whose pages disagree with the count, is split in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from shapely.geometry import Polygon

from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.base import Query
from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess, RefusedError
from ssl4sar.acquire.providers.common import FORM_ERRORS, form_problem
from ssl4sar.acquire.providers.odata_filter import intersects, query_filters, starts_within
from ssl4sar.acquire.providers.odata_record import content_dates, product_of
from ssl4sar.core.errors import UserError

Record = dict[str, Any]
#: The catalogue's times are as fine as this, so a shorter window holds one time only.
_SHORTEST_WINDOW: Final = timedelta(microseconds=1)
_MOMENT: Final = timedelta(milliseconds=1)
#: A month has 2^41 microseconds: a catalogue that wants more splits does not tell the truth.
_MOST_SPLITS: Final = 60


class ODataCatalogue:
    """Search in the catalogue.

    Args:
        url: address up to ``/odata/v1``.
        page_size: records per page, 1 to 1000.
        max_skip: largest ``$skip`` that the catalogue takes.
        provider: name of the provider in products and errors.
        access: connection; by default a patient one to ``url``.
    """

    def __init__(
        self,
        url: str,
        page_size: int = 1000,
        max_skip: int = 10_000,
        *,
        provider: str = "cdse",
        access: CatalogueAccess | None = None,
    ) -> None:
        self._access = access or CatalogueAccess(url)
        self._url = f"{self._access.url}/Products"
        self._page_size = page_size
        self._max_skip = max_skip
        self._provider = provider

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
            if not isinstance(part, Polygon):
                continue
            filters = [*query_filters(query), intersects(part)]
            for record in self.records(filters, query.start, query.stop):
                if record["Id"] in seen:
                    continue
                seen.add(record["Id"])
                yield self._product(record, query)

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
        yield from self._records(list(filters), start, stop, depth=0)

    def _records(
        self, filters: list[str], start: datetime, stop: datetime, depth: int
    ) -> Iterator[Record]:
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
        if depth >= _MOST_SPLITS:
            self._give_up(start, stop, window)
        middle = self._middle(filters, start, stop, window)
        yield from self._records(filters, start, middle, depth + 1)
        yield from self._records(filters, middle, stop, depth + 1)

    def _window(self, filters: list[str], start: datetime, stop: datetime) -> _Window:
        """Walk through the pages of a window; of one that is too long only the first is taken."""
        asked = {
            "$filter": " and ".join([*filters, starts_within(start, stop)]),
            "$orderby": "ContentDate/Start asc",
            "$top": str(self._page_size),
            "$expand": "Attributes",
        }
        page = self._page(asked | {"$count": "true"})
        window = _Window(counted=self._count(page))
        window.take(page["value"])
        if window.counted > self._max_skip and not _is_instant(start, stop):
            return window
        while page["value"] and window.taken <= window.counted:
            link = page.get("@odata.nextLink")
            if window.taken >= window.counted and not link:
                break
            try:
                page = self._next_page(link, asked, window.taken)
            except RefusedError:
                break  # e.g. 422 beyond the largest skip; the count tells what is missing
            window.take(page["value"])
        return window

    def _next_page(self, link: Any, asked: dict[str, str], taken: int) -> Record:
        if isinstance(link, str) and self._access.is_own(link):
            return self._checked(self._access.json(link))
        return self._page(asked | {"$skip": str(taken)})

    def _page(self, asked: dict[str, str]) -> Record:
        return self._checked(self._access.json(self._url, asked))

    def _checked(self, page: Record) -> Record:
        """Return a page whose records can be told apart and sorted into windows."""
        records = page.get("value")
        if not isinstance(records, list) or not all(
            isinstance(each, dict) and isinstance(each.get("Id"), str) for each in records
        ):
            raise self._other_shape("a page without a list of records with identifiers")
        return page

    def _count(self, page: Record) -> int:
        counted = page.get("@odata.count")
        if not isinstance(counted, int) or isinstance(counted, bool):
            raise self._other_shape("a page without the number of records")
        return counted

    def _middle(
        self, filters: list[str], start: datetime, stop: datetime, window: _Window
    ) -> datetime:
        """Return a time that splits the records of a window, not its hours, in halves."""
        asked = {
            "$filter": " and ".join([*filters, starts_within(start, stop)]),
            "$orderby": "ContentDate/Start asc",
            "$top": "1",
            "$skip": str(min(window.counted // 2, self._max_skip)),
        }
        records = self._page(asked)["value"]
        try:
            median = content_dates(records[0])[0] if records else start
        except FORM_ERRORS:
            median = start
        if start < median < stop:
            return median
        # Half of the records share the first time: cut off a moment that holds them.
        return start + min((stop - start) / 2, _MOMENT)

    def _product(self, record: Record, query: Query) -> Product:
        try:
            return product_of(record, self._provider, query.mission)
        except FORM_ERRORS as error:
            raise self._other_shape(f"a record of another form: {form_problem(error)}") from error

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


def _is_instant(start: datetime, stop: datetime) -> bool:
    return stop - start <= _SHORTEST_WINDOW
