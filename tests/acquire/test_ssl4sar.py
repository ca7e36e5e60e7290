"""From archives of any shape to the published layout."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ssl4sar.acquire.ssl4sar import extract_ssl4sar
from ssl4sar.core.errors import UserError

TRAIN, VAL, OPTICAL = "unlabeled_data_raw_train", "unlabeled_data_raw_val", "data_optical"


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


EXPECTED = {
    f"{TRAIN}/S1_Kronebreen_1.png": b"t",
    f"{VAL}/S1_Kronebreen_2.png": b"v",
    f"{OPTICAL}/Kronebreen_S2.tif": b"o",
}


@pytest.mark.parametrize(
    ("train", "val", "optical"),
    [
        (f"{TRAIN}/", f"{VAL}/", f"{OPTICAL}/{OPTICAL}/"),
        ("", "", ""),
        (f"scratch/data_unlabeled/{TRAIN}/", f"data_unlabeled/{VAL}/", f"./{OPTICAL}/"),
        ("some folder/", "some folder/", "deep/deeper/"),
    ],
    ids=["own folder", "bare", "deep", "other folder"],
)
def test_every_shape_of_three_archives_gives_the_layout(
    tmp_path: Path, train: str, val: str, optical: str
) -> None:
    archives = [
        write_zip(
            tmp_path / f"{TRAIN}.zip",
            {f"{train}S1_Kronebreen_1.png": b"t", f"__MACOSX/{train}._S1_Kronebreen_1.png": b""},
        ),
        write_tar(tmp_path / f"{VAL}.tar.gz", {f"{val}S1_Kronebreen_2.png": b"v"}),
        write_zip(tmp_path / f"{OPTICAL}.zip", {f"{optical}Kronebreen_S2.tif": b"o"}),
    ]
    extract_ssl4sar(archives, tmp_path / "out")
    assert contents(tmp_path / "out") == EXPECTED
    assert {path.name for path in tmp_path.iterdir()} == {*(a.name for a in archives), "out"}


def test_one_archive_with_everything_and_more(tmp_path: Path) -> None:
    more = {"ssl4sar/README.txt": b"r", f"__MACOSX/{TRAIN}/._a.png": b"", f"{TRAIN}/.DS_Store": b""}
    more |= {f"{TRAIN}/.thumbnails/a.png": b"t", f"{OPTICAL}/Thumbs.db": b"t"}
    inner = {f"ssl4sar/{name}": content for name, content in EXPECTED.items()}
    archive = write_zip(tmp_path / "ssl4sar.zip", {**inner, **more})
    extract_ssl4sar([archive], tmp_path / "out")
    assert contents(tmp_path / "out") == {**EXPECTED, "ssl4sar/README.txt": b"r"}


def test_a_split_archive_is_joined(tmp_path: Path) -> None:
    (_, one), (_, two), (_, three) = EXPECTED.items()
    archives = [
        write_zip(tmp_path / f"{TRAIN}_part1.zip", {"S1_Kronebreen_1.png": one}),
        write_zip(tmp_path / f"{TRAIN}_part2.zip", {"S1_Kronebreen_3.png": b"3"}),
        write_zip(tmp_path / f"{VAL}.zip", {"S1_Kronebreen_2.png": two}),
        write_zip(tmp_path / f"{OPTICAL}.zip", {"Kronebreen_S2.tif": three}),
    ]
    extract_ssl4sar(archives, tmp_path / "out")
    assert contents(tmp_path / "out") == {**EXPECTED, f"{TRAIN}/S1_Kronebreen_3.png": b"3"}


def refused(archives: list[Path], out: Path, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        extract_ssl4sar(archives, out)
    assert "\n" not in str(caught.value)
    assert set(out.parent.iterdir()) == set(archives)


def test_a_lacking_folder_is_reported_with_what_is_there(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / f"{TRAIN}.zip", {"a.png": b"t", "images/b.png": b""})
    told = rf"belongs to {VAL}, {OPTICAL}; they hold {TRAIN}; .*source local"
    refused([archive], tmp_path / "out", told)


def test_the_same_image_in_two_archives_is_refused(tmp_path: Path) -> None:
    archives = [
        write_zip(tmp_path / "a.zip", EXPECTED),
        write_zip(tmp_path / "b.zip", {f"x/{TRAIN}/S1_Kronebreen_1.png": b"other"}),
    ]
    refused(archives, tmp_path / "out", rf"b\.zip: {TRAIN}/S1_Kronebreen_1\.png is there twice")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_archive_that_leads_out_is_refused_and_nothing_left(tmp_path: Path, write) -> None:
    archives = [write_zip(tmp_path / "a.zip", EXPECTED), write(tmp_path / "b", {"../x": b"evil"})]
    refused(archives, tmp_path / "out", r"'\.\./x' leads out of the folder")
