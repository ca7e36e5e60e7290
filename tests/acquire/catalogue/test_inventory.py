"""Inventories: stable bytes, and every damage told with its line."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ssl4sar.acquire.catalogue.inventory import (
    Inventory,
    InventoryHeader,
    inventory_text,
    read_inventory,
    write_inventory,
    write_left_out,
)
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import LeftOut
from ssl4sar.core.errors import UserError

START = datetime(2020, 3, 1, 4, 5, 6, 789, tzinfo=UTC)


def product(number: int, **changes: object) -> Product:
    values: dict[str, object] = {
        "provider": "cdse",
        "id": f"id-{number}",
        "name": f"P{number:03}",
        "mission": "sentinel-1",
        "platform": "S1A",
        "product_type": "IW_GRDH_1S",
        "start": START + timedelta(days=number),
        "stop": START + timedelta(days=number, seconds=25),
        "polarisations": ("HH", "HV"),
        "checksums": {"md5": "00", "blake3": "11"},
        "footprint": {"type": "Polygon", "coordinates": [[[0.1, 0.2], [1, 0], [1, 1], [0.1, 0.2]]]},
    }
    return Product(**(values | changes))  # type: ignore[arg-type]


def inventory(count: int = 5) -> Inventory:
    header = InventoryHeader(
        glacier="Tiny",
        caffe_test=False,
        area={"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        providers={"sentinel-1": "cdse"},
        query={"sentinel.start": "2020-03-01", "sentinel.relative_orbits": [7]},
        searched_utc=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        counts={"found": count + 2, "kept": count, "duplicate": 2},
        orbits=[product(9, name="orbit", product_type="AUX_POEORB").as_row()],
        orbit_of={"P001": "orbit"},
    )
    return Inventory(header, tuple(product(number) for number in range(count)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "Tiny" / "inventory.jsonl"
    write_inventory(path, inventory())
    again = read_inventory(path)
    assert again.header.as_row() == inventory().header.as_row()
    assert again.products == inventory().products
    assert inventory_text(again) == path.read_text()


def test_the_order_of_the_answers_does_not_matter() -> None:
    whole = inventory(20)
    mixed = random.Random(1).sample(whole.products, 20)
    reordered = [
        replace(each, checksums=dict(reversed(list(each.checksums.items())))) for each in mixed
    ]
    assert inventory_text(Inventory(whole.header, tuple(reordered))) == inventory_text(whole)


def test_products_are_sorted_by_mission_start_and_name() -> None:
    image = product(0, mission="sentinel-2", name="image")
    same_time = [product(3, name="b"), product(3, name="a")]
    header = inventory().header
    ordered = Inventory(header, (image, *same_time, product(1))).products
    assert [each.name for each in ordered] == ["P001", "a", "b", "image"]


def test_a_missing_inventory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no inventory"):
        read_inventory(tmp_path / "inventory.jsonl")


@pytest.mark.parametrize("first", ['{"schema":"ssl4sar.inventory/2"}\n', "{}\n", ""])
def test_another_schema_is_refused(tmp_path: Path, first: str) -> None:
    path = tmp_path / "inventory.jsonl"
    path.write_text(first + "".join(inventory_text(inventory()).splitlines(True)[1:]) * bool(first))
    with pytest.raises(UserError, match=r"not an inventory of the form ssl4sar.inventory/1"):
        read_inventory(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name":"P002"', b'"name":P002'),
        (b'"name":"P002",', b""),
        (b'"name":"P002"', b'"name":"P002","extra":1'),
        (b'"id":"id-2"', b'"id":"\xff"'),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "inventory.jsonl"
    write_inventory(path, inventory())
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(UserError, match=r"inventory.jsonl: line 4: is damaged: ") as caught:
        read_inventory(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name":"P002"', '"name":"../../P002"'),
        ('"id":"id-2"', r'"id":"\u001b[31m"'),
        ('"id":"id-2"', r'"id":"\ud800"'),
        ('"start":"2020-03-03T', '"start":"0001-03-03T'),
        ('"platform":"S1A"', '"platform":1e999'),
        ('"id":"id-2"', '"id":' + "[" * 400 + "]" * 400),
    ],
)  # fmt: skip
def test_values_that_no_search_would_freeze_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "inventory.jsonl"
    lines = inventory_text(inventory()).splitlines(True)
    assert old in lines[3]
    lines[3] = lines[3].replace(old, new)
    path.write_text("".join(lines))
    with pytest.raises(UserError, match=r"line 4: is damaged") as caught:
        read_inventory(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("order", [(0, 2, 1), (0, 1, 1), (0, 1)])
def test_lines_out_of_order_missing_or_twice(tmp_path: Path, order: tuple[int, ...]) -> None:
    path = tmp_path / "inventory.jsonl"
    lines = inventory_text(inventory(2)).splitlines(True)
    path.write_text("".join(lines[index] for index in order))
    with pytest.raises(UserError, match=r"out of order|its header says 2"):
        read_inventory(path)


@pytest.mark.parametrize("key", ["glacier", "counts", "searched_utc"])
def test_a_header_without_a_key(tmp_path: Path, key: str) -> None:
    path = tmp_path / "inventory.jsonl"
    header, *rest = inventory_text(inventory()).splitlines(True)
    values = json.loads(header)
    del values[key]
    path.write_text(json.dumps(values) + "\n" + "".join(rest))
    with pytest.raises(UserError, match=f"line 1: is damaged: .*{key}"):
        read_inventory(path)


def test_what_was_left_out_is_a_sorted_table(tmp_path: Path) -> None:
    path = tmp_path / "left_out.csv"
    write_left_out(path, [LeftOut("b", "duplicate", "of a, later"), LeftOut("a", "cog_twin")])
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["name", "reason", "detail"],
        ["a", "cog_twin", ""],
        ["b", "duplicate", "of a, later"],
    ]
