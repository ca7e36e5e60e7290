from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssl4sar.core.errors import UserError
from ssl4sar.core.listing import FileRecord
from ssl4sar.provenance.contents import Content, content_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    (made / "a" / "b").mkdir(parents=True)
    (made / "a" / "b" / "x.txt").write_text("x")
    (made / "y.txt").write_text("yy")
    return made


def test_a_file_is_its_size_and_sha256(folder: Path) -> None:
    found = content_of(folder / "y.txt")
    assert found == Content(2, hashlib.sha256(b"yy").hexdigest(), None)


def test_a_folder_is_its_files(folder: Path) -> None:
    found = content_of(folder, workers=3)
    x, y = (hashlib.sha256(text).hexdigest() for text in (b"x", b"yy"))
    assert found.files == {"a/b/x.txt": FileRecord(1, x), "y.txt": FileRecord(2, y)}
    assert found.bytes == 3
    # Stated once in plain form, so that records of today are readable for ever.
    plain = f"a/b/x.txt\0{x}\ny.txt\0{y}\n".encode()
    assert found.sha256 == hashlib.sha256(plain).hexdigest()


def test_time_stamps_places_workers_and_marks_of_snakemake_do_not_count(folder: Path) -> None:
    before = content_of(folder)
    os.utime(folder / "y.txt", (1, 1))
    (folder / ".snakemake_timestamp").touch()
    moved = folder.rename(folder.with_name("moved"))
    assert content_of(moved, workers=4) == before


def test_links_into_a_cache_count_like_their_files(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "a").symlink_to(folder / "a")
    (linked / "y.txt").symlink_to(folder / "y.txt")
    assert content_of(linked) == content_of(folder)
    (tmp_path / "whole").symlink_to(folder)
    assert content_of(tmp_path / "whole") == content_of(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    files=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=4)),
    data=st.data(),
)
def test_any_change_of_a_name_or_a_byte_changes_the_hash(files, data) -> None:
    def listed(values):
        return Content.of_files(
            {n: FileRecord(len(v), hashlib.sha256(v).hexdigest()) for n, v in values.items()}
        ).sha256

    other = dict(files)
    name = data.draw(st.text("abcd", min_size=1, max_size=3))
    other[name] = data.draw(st.binary(max_size=4))
    assert (listed(files) == listed(other)) is (files == other)


def test_missing_things_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.txt: does not exist"):
        content_of(tmp_path / "no.txt")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="does not exist"):
        content_of(tmp_path / "tree")
