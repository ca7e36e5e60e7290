from __future__ import annotations

from pathlib import Path

from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import FileRecord, record_files, write_listing


def test_every_file_is_listed_by_relative_path_in_order(tmp_path: Path) -> None:
    (tmp_path / "tree" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "b" / "x").write_text("xx")
    (tmp_path / "tree" / "a").write_text("a")
    records = record_files(tmp_path / "tree")
    assert list(records) == ["a", "b/x"]
    assert records["b/x"] == FileRecord(2, sha256_file(tmp_path / "tree" / "b" / "x"))
    write_listing(tmp_path / "tree", tmp_path / "one.json")
    (tmp_path / "tree").rename(tmp_path / "moved")
    write_listing(tmp_path / "moved", tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_the_time_stamp_of_the_workflow_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "scene.png").write_text("a")
    before = record_files(tmp_path)
    (tmp_path / ".snakemake_timestamp").touch()
    assert record_files(tmp_path) == before
