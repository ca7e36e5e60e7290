"""Records: what is wrong with a file is one line, with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from ssl4sar.core.record import Record, RecordError


class Tile(Record):
    SCHEMA: ClassVar[str] = "ssl4sar.test-tile/2"
    NAME: ClassVar[str] = "record of a tile"
    FIX: ClassVar[str] = "fetch the tile again"

    name: str
    rows: int | None = None


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "tile.json"

    Tile(name="N78", rows=3).write(path)

    assert Tile.read(path) == Tile(name="N78", rows=3)
    assert json.loads(path.read_text()) == {"schema": Tile.SCHEMA, "name": "N78", "rows": 3}


@pytest.mark.parametrize(
    ("content", "fault", "problem"),
    [
        (None, "missing", "the record of a tile is missing"),
        ("{", "damaged", "this is not a valid record of a tile (it is not JSON"),
        ("[]", "damaged", "it is not a JSON object"),
        ('{"name": "N78"}', "damaged", "its schema is None, not ssl4sar.test-tile/2"),
        ('{"schema": "ssl4sar.other/2"}', "damaged", "its schema is 'ssl4sar.other/2'"),
        ('{"schema": "ssl4sar.test-tile/1"}', "older", "written by an older ssl4sar"),
        ('{"schema": "ssl4sar.test-tile/3"}', "newer", "written by a newer ssl4sar"),
        ('{"schema": "ssl4sar.test-tile/2", "rows": 3}', "damaged", "name: Field required"),
        ('{"schema": "ssl4sar.test-tile/2", "name": "N", "x": 1}', "damaged", "x: Extra inputs"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    tmp_path: Path, content: str | None, fault: str, problem: str
) -> None:
    path = tmp_path / "tile.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(RecordError) as caught:
        Tile.read(path)

    assert caught.value.fault == fault
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    if fault == "newer":
        assert "use that version, or a newer one" in str(caught.value)
    else:
        assert caught.value.fix == "fetch the tile again"
    assert Tile.read_if_usable(path) is None
