from __future__ import annotations

from pathlib import Path

from ssl4sar.core.caffe_layout import CaffeTree


def test_paths_follow_the_official_layout(test_data: Path) -> None:
    tree = CaffeTree(test_data / "caffe80" / "data_raw")
    assert len(tree.names("train")) == 412
    names = tree.names("test")
    assert len(names) == 69
    assert names == sorted(names)
    for name in names[:3]:
        for path in (
            tree.sar("test", name),
            tree.zones("test", name),
            tree.front("test", name),
            tree.box(name),
        ):
            assert path.is_file(), path


def test_companions_of_macos_are_no_scenes(tmp_path: Path) -> None:
    folder = tmp_path / "sar_images" / "train"
    folder.mkdir(parents=True)
    for name in ("b.png", "a.png", "._a.png"):
        (folder / name).touch()
    assert CaffeTree(tmp_path).names("train") == ["a", "b"]
