"""Lookup tables of a product: values along some lines of the image, interpolated in between.

Calibration and noise come as vectors along range, each with its line, the pixels of its nodes and
the values there (S1-RS-MDA-52-7441, Sentinel-1 Product Specification, calibration and noise data
sets). Vectors of one table may have nodes at different pixels, so each is interpolated along its
own before two neighbours are mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

#: What a user does about a damaged file of a product.
FETCH_AGAIN: Final = "remove the product and fetch it again"


class Vector(NamedTuple):
    """Values along one line.

    Attributes:
        line: position along azimuth, pixels; 0 is the centre of the first line.
        pixels: (N,) nodes along range, ascending.
        values: (N,) what the table holds there.
    """

    line: float
    pixels: NDArray[np.float64]
    values: NDArray[np.float64]

    def at(self, columns: slice) -> NDArray[np.float32]:
        """Return (columns,) values, linear between nodes; the outer ones continue."""
        wanted = np.arange(columns.start, columns.stop)
        return np.interp(wanted, self.pixels, self.values).astype(np.float32)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """Vectors by ascending line, at least one."""

    vectors: tuple[Vector, ...]

    def at(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return (rows, columns) values, bilinear; beyond the outer lines those of the nearest."""
        lines = np.array([vector.line for vector in self.vectors])
        wanted = np.arange(rows.start, rows.stop)
        before = np.searchsorted(lines, wanted, side="right") - 1
        values = np.empty((wanted.size, columns.stop - columns.start), np.float32)
        for index in np.unique(before):
            here = slice(*np.searchsorted(before, (index, index + 1)))
            start = self.vectors[max(index, 0)].at(columns)
            if 0 <= index < lines.size - 1:
                step = self.vectors[index + 1].at(columns) - start
                share = (wanted[here] - lines[index]) / (lines[index + 1] - lines[index])
                np.multiply(share[:, None].astype(np.float32), step, out=values[here])
                values[here] += start
            else:
                values[here] = start
        return values


def read_numbers(parent: Element, name: str) -> NDArray[np.float64]:
    """Return the numbers that a child element lists.

    Raises:
        ValueError: it is missing, empty, or lists what is not a finite number.
    """
    text = (parent.findtext(name) or "").split()
    if not text:
        raise ValueError(f"{name} is missing or empty")
    try:
        numbers = np.fromiter(map(float, text), np.float64, len(text))
    except ValueError as error:
        raise ValueError(f"{name} lists what is not a number") from error
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} lists a number that is not finite")
    return numbers


def read_nodes(
    parent: Element, nodes: str, values: str, *, zero: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (N,) positions of nodes, ascending, and (N,) values, by the names of their elements.

    Args:
        parent: element that holds both.
        nodes: name of the positions.
        values: name of the values.
        zero: whether a value may be zero; none may be negative.

    Raises:
        ValueError: they are missing, of unequal length, out of order or not positive.
    """
    places, numbers = read_numbers(parent, nodes), read_numbers(parent, values)
    if places.size != numbers.size:
        raise ValueError(f"{values} has {numbers.size} numbers, {nodes} has {places.size}")
    if (np.diff(places) <= 0).any():
        raise ValueError(f"the numbers of {nodes} are not in ascending order")
    if numbers.min() < 0 or (not zero and numbers.min() == 0):
        raise ValueError(
            f"{values} lists a number that is {'negative' if zero else 'not positive'}"
        )
    return places, numbers


def make_table(vectors: list[Vector]) -> LookupTable:
    """Return the table of vectors.

    Raises:
        ValueError: there are none, or they are out of order.
    """
    if not vectors:
        raise ValueError("there are no vectors")
    if any(later.line < earlier.line for earlier, later in pairwise(vectors)):
        raise ValueError("the vectors are not in the order of their lines")
    return LookupTable(tuple(vectors))
