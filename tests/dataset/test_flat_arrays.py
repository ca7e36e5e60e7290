from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.flat_arrays import HashingWriter, map_array


def test_what_is_appended_is_mapped_and_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a.u8"
    first = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with path.open("wb") as stream:
        writer = HashingWriter(stream)
        starts = [writer.append(first), writer.append(first.T), writer.append(first[:, ::2])]
    assert starts == [0, 12, 24]
    assert writer.written == 30
    assert writer.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()
    mapped = map_array(path, 30)
    np.testing.assert_array_equal(mapped[12:24].reshape(4, 3), first.T)
    assert not mapped.flags.writeable


def test_an_empty_file_is_an_empty_array(tmp_path: Path) -> None:
    (tmp_path / "a.u8").touch()
    assert map_array(tmp_path / "a.u8", 0).shape == (0,)


def test_another_size_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.u8").write_bytes(b"abc")
    with pytest.raises(
        UserError, match=r"a\.u8: the array has 3 bytes, its index says 4; remove the store"
    ):
        map_array(tmp_path / "a.u8", 4)
    with pytest.raises(UserError, match=r"b\.u8: the array cannot be read"):
        map_array(tmp_path / "b.u8", 0)
