"""The frozen result of a search: which products a glacier's data set is built from.

``inventory.jsonl`` holds a header and then one product per line, ``left_out.csv`` every product
that was found and not taken, ``optical_choice.csv`` how the optical images were chosen. The build
depends on the inventory alone, so that it can be repeated whatever a catalogue says later.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import LeftOut
from ssl4sar.core.atomic import write_text
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json, read_bounded
from ssl4sar.core.wording import printable

SCHEMA: Final = "ssl4sar.inventory/1"
#: A product takes some 2 kB; a glacier has some hundreds to thousands.
_LONGEST_BYTES: Final = 512_000_000
#: Form of the time of a search.
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_AGAIN: Final = "search for it again"


@dataclass(frozen=True, kw_only=True)
class InventoryHeader:
    """What was searched for, where and when.

    Attributes:
        glacier: name of the glacier.
        caffe_test: whether it is a test glacier of CaFFe, never to be pretrained on.
        area: GeoJSON geometry of its area, degrees.
        providers: name of the provider by mission.
        query: values of the configuration that the search used, by key.
        searched_utc: when, UTC, to the second.
        counts: products by fate: found, kept, offline (of those kept), and one number per reason
            of leaving out.
        orbits: rows of the precise orbit files that belong to the products.
        orbit_of: name of the orbit file by product.
    """

    glacier: str
    caffe_test: bool
    area: Mapping[str, Any]
    providers: Mapping[str, str]
    query: Mapping[str, Any]
    searched_utc: datetime
    counts: Mapping[str, int]
    orbits: Sequence[Mapping[str, Any]] = ()
    orbit_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def searched_text(self) -> str:
        """The time of the search as the file has it."""
        return self.searched_utc.astimezone(UTC).strftime(TIME_FORMAT)

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON values."""
        orbits = [dict(orbit) for orbit in self.orbits]
        changed = {"schema": SCHEMA, "searched_utc": self.searched_text, "orbits": orbits}
        return dict(vars(self)) | changed


@dataclass(frozen=True)
class Inventory:
    """Products of one glacier, sorted by mission, start and name.

    Attributes:
        header: what was searched for.
        products: Sentinel-1 before Sentinel-2.
    """

    header: InventoryHeader
    products: tuple[Product, ...]

    def __post_init__(self) -> None:
        """Sort the products, so that the same products give the same file."""
        ordered = sorted(self.products, key=lambda each: (each.mission, each.start, each.name))
        object.__setattr__(self, "products", tuple(ordered))


def inventory_text(inventory: Inventory) -> str:
    """Return the content of ``inventory.jsonl``."""
    form: dict[str, Any] = {"sort_keys": True, "ensure_ascii": False, "allow_nan": False}
    rows = [inventory.header.as_row(), *(product.as_row() for product in inventory.products)]
    return "".join(json.dumps(row, separators=(",", ":"), **form) + "\n" for row in rows)


def write_inventory(path: str | Path, inventory: Inventory) -> None:
    """Write an inventory, atomically; equal inventories give equal bytes."""
    write_text(path, inventory_text(inventory))


def read_inventory(path: str | Path) -> Inventory:
    """Read an inventory.

    Raises:
        UserError: the file is missing, of another kind or version, or a line of it is damaged, out
            of order or there twice.
    """
    path = Path(path)
    try:
        lines = read_bounded(path, _LONGEST_BYTES).splitlines(keepends=True)
    except ForeignTextError as error:
        raise UserError(path, str(error), _AGAIN) from error
    except FileNotFoundError as error:
        raise UserError(
            path, "there is no inventory", "make it first: it is searched for"
        ) from error
    except OSError as error:
        raise UserError(
            path, f"the file cannot be read ({error.strerror})", "check the file and its rights"
        ) from error
    rows = [_row(path, number, line) for number, line in enumerate(lines, start=1)]
    if not rows or rows[0].get("schema") != SCHEMA:
        raise UserError(path, f"this is not an inventory of the form {SCHEMA}", _AGAIN)
    header = _header(path, rows[0])
    products = [_product(path, number, row) for number, row in enumerate(rows[1:], start=2)]
    inventory = Inventory(header, tuple(products))
    names = [product.name for product in products]
    if len(set(names)) != len(names) or list(inventory.products) != products:
        raise UserError(path, "its products are out of order or there twice", _AGAIN)
    if header.counts.get("kept") != len(products):
        problem = f"it holds {len(products)} products, its header says {header.counts.get('kept')}"
        raise UserError(path, problem, _AGAIN)
    return inventory


def is_of_time(path: str | Path, searched_utc: str) -> bool:
    """Return whether there is an inventory of a search at that time, whole.

    Args:
        path: ``inventory.jsonl``.
        searched_utc: in the form of its header.
    """
    try:
        return read_inventory(path).header.searched_text == searched_utc
    except UserError:
        return False  # missing or damaged: it must be searched for


def write_left_out(path: str | Path, left_out: Iterable[LeftOut]) -> None:
    """Write which products were left out and why, as CSV sorted by name."""
    rows = sorted((each.name, each.reason, each.detail) for each in left_out)
    write_text(path, csv_text(("name", "reason", "detail"), rows))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV text with line feeds."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = parse_json(line)
    except ForeignTextError as error:
        raise _damaged(path, number, str(error)) from error
    if not isinstance(row, dict) or not line.endswith(b"\n"):
        raise _damaged(path, number, "it is cut off or not an object")
    return row


def _header(path: Path, row: dict[str, Any]) -> InventoryHeader:
    values = {key: value for key, value in row.items() if key != "schema"}
    try:
        searched = datetime.strptime(values["searched_utc"], TIME_FORMAT).replace(tzinfo=UTC)
        counts = {str(key): int(value) for key, value in values["counts"].items()}
        header = InventoryHeader(**values | {"searched_utc": searched, "counts": counts})
        # Orbit files are fetched from here: they are checked as the products are.
        files = {Product.from_row(row).name for row in header.orbits}
        strangers = set(header.orbit_of.values()) - files
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(path, 1, f"it is not a header ({printable(error, 200)})") from error
    if strangers:
        raise _damaged(path, 1, "orbit_of names a file that is not among orbits")
    return header


def _product(path: Path, number: int, row: dict[str, Any]) -> Product:
    try:
        return Product.from_row(row)
    except (ValueError, AttributeError, TypeError) as error:
        raise _damaged(path, number, str(error)) from error


def _damaged(path: Path, number: int, problem: str) -> UserError:
    return UserError(f"{path}: line {number}", f"is damaged: {problem}", _AGAIN)
