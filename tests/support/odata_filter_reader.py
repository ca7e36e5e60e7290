"""Reads filters of the catalogue's language; what it does not know is refused, never ignored."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from shapely import from_geojson, from_wkt
from shapely.geometry import Polygon

Record = dict[str, Any]
Test = Callable[[Record], bool]
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z"
_TEXT = r"'((?:[^']|'')*)'"
_COLLECTION = re.compile(rf"Collection/Name eq {_TEXT}")
_NAME_IS = re.compile(rf"Name eq {_TEXT}")
_NAME_HAS = re.compile(rf"(contains|startswith|endswith)\(Name,\s*{_TEXT}\)")
_DATE = re.compile(rf"ContentDate/(Start|End) (ge|gt|le|lt|eq) ({_TIME})")
_AREA = re.compile(r"OData\.CSC\.Intersects\(area=geography'SRID=4326;(POLYGON\(\([^']*\)\))'\)")
_ATTRIBUTE = re.compile(
    r"Attributes/OData\.CSC\.(String|Integer|Double)Attribute/any\(att:att/Name eq '(\w+)' and "
    r"att/OData\.CSC\.(String|Integer|Double)Attribute/Value (ge|gt|le|lt|eq) "
    rf"(?:{_TEXT}|(-?\d+(?:\.\d+)?))\)"
)
_MOST_POINTS = 1000


class FilterError(Exception):
    """The filter holds something that this catalogue does not know."""


def read_filter(text: str) -> Test:
    """Return the condition of a filter.

    Raises:
        FilterError: something in it is not known.
    """
    reader = _Reader(text)
    test = reader.either()
    if reader.rest:
        raise FilterError(f"unexpected: {reader.rest[:60]}")
    return test


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def collection_of(record: Record) -> str:
    return f"SENTINEL-{record['Name'][1]}"


class _Reader:
    def __init__(self, text: str) -> None:
        self.rest = text

    def either(self) -> Test:
        tests = [self._both()]
        while self._skip(" or "):
            tests.append(self._both())
        return lambda record: any(test(record) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._skip(" and "):
            tests.append(self._one())
        return lambda record: all(test(record) for test in tests)

    def _skip(self, text: str) -> bool:
        if not self.rest.startswith(text):
            return False
        self.rest = self.rest[len(text) :]
        return True

    def _one(self) -> Test:
        if self._skip("("):
            inner = self.either()
            if not self._skip(")"):
                raise FilterError("a bracket is not closed")
            return inner
        for pattern, make in _PIECES:
            match = pattern.match(self.rest)
            if match is not None:
                self.rest = self.rest[match.end() :]
                return make(match)
        raise FilterError(f"unknown: {self.rest[:60]}")


def _plain(text: str) -> str:
    return text.replace("''", "'")


def _collection(match: re.Match[str]) -> Test:
    return lambda record: collection_of(record) == _plain(match[1])


def _name_is(match: re.Match[str]) -> Test:
    return lambda record: record["Name"] == _plain(match[1])


def _name_has(match: re.Match[str]) -> Test:
    part = _plain(match[2])
    holds: dict[str, Test] = {
        "contains": lambda record: part in record["Name"],
        "startswith": lambda record: record["Name"].startswith(part),
        "endswith": lambda record: record["Name"].endswith(part),
    }
    return holds[match[1]]


def _date(match: re.Match[str]) -> Test:
    edge, compare, limit = match[1], _COMPARE[match[2]], time_of(match[3])
    return lambda record: compare(time_of(record["ContentDate"][edge]), limit)


def _area(match: re.Match[str]) -> Test:
    try:
        area = from_wkt(match[1])
    except Exception as error:
        raise FilterError("no polygon") from error
    west, south, east, north = area.bounds
    if not isinstance(area, Polygon) or not area.is_valid or not len(area.exterior.coords) > 3:
        raise FilterError("no valid polygon")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise FilterError("the polygon leaves the globe")
    if len(area.exterior.coords) > _MOST_POINTS:
        raise FilterError("the polygon has too many points")
    return lambda record: (
        record["GeoFootprint"] is not None and area.intersects(_shape(record["GeoFootprint"]))
    )


def _shape(geometry: dict[str, Any]) -> Any:
    return _geometry(json.dumps(geometry))


@cache
def _geometry(text: str) -> Any:
    return from_geojson(text)


def _attribute(match: re.Match[str]) -> Test:
    outer, name, inner, sign, text, number = match.groups()
    if outer != inner:
        raise FilterError("the types of an attribute differ")
    if (text is None) == (outer == "String") or (outer == "Integer" and "." in number):
        raise FilterError(f"a value of {name} is of another type")
    value: Any = _plain(text) if text is not None else float(number)

    def test(record: Record) -> bool:
        return any(
            each["Name"] == name
            and each["ValueType"] == outer
            and _COMPARE[sign](each["Value"], value)
            for each in record["Attributes"]
        )

    return test


_PIECES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Test]], ...] = (
    (_COLLECTION, _collection),
    (_NAME_IS, _name_is),
    (_NAME_HAS, _name_has),
    (_DATE, _date),
    (_AREA, _area),
    (_ATTRIBUTE, _attribute),
)
