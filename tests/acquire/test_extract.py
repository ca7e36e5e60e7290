from __future__ import annotations

import gzip
import io
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.acquire.extract import extract_archive
from ssl4sar.core.errors import UserError

FILES = {
    "data_raw/sar_images/train/a.png": b"\x89PNG" + bytes(range(256)) * 20,
    "data_raw/bounding_boxes/a.txt": b"x,y\n",
    "data_raw/readme.txt": b"",
}


Write = Callable[[Path, Any], Path]


def write_zip(
    path: Path, files: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]
) -> Path:
    entries = files.items() if isinstance(files, dict) else files
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of duplicate names
        for name, content in entries:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return path


def write_tar(
    path: Path, files: dict[str, bytes] | list[tuple[tarfile.TarInfo | str, bytes]], mode: str = "w"
) -> Path:
    entries = files.items() if isinstance(files, dict) else files
    with tarfile.open(path, mode) as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tar_member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def refused(archive: Path, told: str) -> None:
    """Assert that the archive is refused by its name and that nothing is left."""
    target = archive.parent / "out" / "tree"
    with pytest.raises(UserError, match=told) as caught:
        extract_archive(archive, target)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    left = [path for path in archive.parent.rglob("*") if path.is_file()]
    assert left == ([archive] if archive.exists() else [])


def test_all_files_come_out_and_are_listed(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", [("data_raw/", b""), *FILES.items()])
    names = extract_archive(archive, tmp_path / "tree")
    for name, content in FILES.items():
        assert (tmp_path / "tree" / name).read_bytes() == content
    assert names == sorted(FILES)


def test_the_junk_folder_of_macos_does_no_harm(tmp_path: Path) -> None:
    junk = {f"__MACOSX/{Path(name).parent}/._{Path(name).name}": b"\0" for name in FILES}
    archive = write_zip(tmp_path / "a.zip", {**FILES, **junk, "data_raw/.DS_Store": b"\0"})
    extract_archive(archive, tmp_path / "tree")
    assert (tmp_path / "tree/__MACOSX/data_raw/sar_images").is_dir()
    assert find_caffe_root(tmp_path / "tree") == tmp_path / "tree" / "data_raw"


def test_an_older_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "old").write_text("old")
    extract_archive(write_zip(tmp_path / "a.zip", FILES), tmp_path / "tree")
    assert [path.name for path in (tmp_path / "tree").iterdir()] == ["data_raw"]


KINDS = pytest.mark.parametrize(("write", "name"), [(write_zip, "a.zip"), (write_tar, "a.tar")])


@KINDS
@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("/etc/passwd", "leads out"),
        ("../outside", "leads out"),
        ("data/../../outside", "leads out"),
        ("C:/windows/x", "leads out"),
        ("..\\outside", "leads out"),
        ("a\nb", "leads out"),
        ("n" * 256, "not every system"),
        ("data_raw//readme.txt", "is there twice"),
        ("data_raw/readme.txt/x", "is damaged"),
    ],
)
def test_a_name_that_leads_elsewhere_or_is_used_twice_is_refused(
    tmp_path: Path, write: Write, name: str, member: str, told: str
) -> None:
    refused(write(tmp_path / name, [*FILES.items(), (member, b"evil")]), told)


@KINDS
def test_a_bomb_is_refused(tmp_path: Path, write: Write, name: str) -> None:
    archive = write(tmp_path / name, {"zeros": bytes(150_000_000)})
    if name == "a.tar":
        archive.write_bytes(gzip.compress(archive.read_bytes()))
    refused(archive, "unpack to 0.1 GB")


SPOILT = {"d/a": b"stored content", "d/b": b"deflated content" * 9}


@KINDS
def test_no_spoilt_byte_gets_past(tmp_path: Path, write: Write, name: str) -> None:
    base = write(tmp_path / name, SPOILT).read_bytes()
    packed = gzip.compress(base)
    (tmp_path / name).unlink()
    archive, target = tmp_path / "fuzz" / name, tmp_path / "fuzz" / "out" / "tree"
    archive.parent.mkdir()

    @settings(max_examples=200, deadline=None)
    # A name that begins with a zero byte is not a name.
    @example([(196, 0)], False)
    @given(
        st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=3), st.booleans()
    )
    def spoilt(changes: list[tuple[int, int]], is_packed: bool) -> None:
        data = bytearray(packed if is_packed else base)
        for place, value in changes:
            data[place % len(data)] = value
        archive.write_bytes(data)
        try:
            names = extract_archive(archive, target)
        except UserError as error:
            assert name in str(error)
        else:
            out = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
            assert out == {str(PurePosixPath(each)) for each in names}
        assert {path.name for path in archive.parent.iterdir()} <= {name, "out"}

    spoilt()
    assert [path.name for path in tmp_path.iterdir()] == ["fuzz"]


def test_a_zero_byte_does_not_hide_a_name(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"good.png_evil": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"good.png_evil", b"good.png\0evil"))
    refused(archive, "control character")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (stat.S_IFLNK, "is a link"),
        (stat.S_IFIFO, "not a plain file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, told: str) -> None:
    link = zipfile.ZipInfo("data_raw/link")
    link.external_attr = (kind | 0o777) << 16
    refused(write_zip(tmp_path / "a.zip", [*FILES.items(), (link, b"/etc")]), told)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"secret": b"x"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    refused(archive, "'secret' is encrypted")


def test_an_unusual_compression_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("x", b"x")
    refused(tmp_path / "a.zip", "'x' has compression 14")


def test_a_disk_too_small_is_reported_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    archive = write_zip(tmp_path / "a.zip", FILES)
    with pytest.raises(UserError, match=r"tree: 0\.00 GB are to be extracted"):
        extract_archive(archive, tmp_path / "tree")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_is_noticed_and_the_member_named(tmp_path: Path, compression: int) -> None:
    archive = tmp_path / "a.zip"
    content = b"".join(struct.pack(">I", i * 2654435761 % 2**32) for i in range(2000))
    with zipfile.ZipFile(archive, "w", compression) as opened:
        opened.writestr("folder/good", b"good")
        opened.writestr("folder/bad", content)
    data = bytearray(archive.read_bytes())
    data[data.index(b"folder/bad") + 3000] ^= 4
    archive.write_bytes(data)
    refused(archive, "'folder/bad' is damaged")


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, keep: float) -> None:
    archive = write_zip(tmp_path / "a.zip", FILES)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(keep * len(data))])
    refused(archive, "not a complete zip")


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("<html>please log in</html>")
    refused(tmp_path / "a.zip", "not a complete zip")
    refused(write_zip(tmp_path / "a.zip", {}), "the archive is empty")
    (tmp_path / "a.zip").unlink()
    refused(tmp_path / "a.zip", "does not exist")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_comes_out_like_a_zip(tmp_path: Path, mode: str) -> None:
    folder = tar_member("data_raw", tarfile.DIRTYPE)
    here = tar_member(".", tarfile.DIRTYPE)
    archive = write_tar(tmp_path / "a.tar", [(here, b""), (folder, b""), *FILES.items()], mode)
    zipped = write_zip(tmp_path / "a.zip", FILES)
    names = extract_archive(archive, tmp_path / "tree")
    assert names == extract_archive(zipped, tmp_path / "same")
    for name, content in FILES.items():
        assert (tmp_path / "tree" / name).read_bytes() == content


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", FILES).read_bytes()
    archive = write_tar(tmp_path / "a.tar", {"inner.zip": inner})
    assert extract_archive(archive, tmp_path / "tree") == ["inner.zip"]


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (tar_member("link", tarfile.SYMTYPE, "/etc"), "'link' is a link"),
        (tar_member("link", tarfile.SYMTYPE, "data_raw"), "'link' is a link"),
        (tar_member("pipe", tarfile.FIFOTYPE), "'pipe' is a link or not a plain file"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(
    tmp_path: Path, member: tarfile.TarInfo, told: str
) -> None:
    refused(write_tar(tmp_path / "a.tar", [*FILES.items(), (member, b"")]), told)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.6])
def test_a_truncated_tar_is_refused(tmp_path: Path, mode: str, keep: float) -> None:
    content = b"".join(struct.pack(">I", i * 2654435761 % 2**32) for i in range(9000))
    archive = write_tar(tmp_path / "a.tar", {"a": content, "b": content}, mode)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(keep * len(data))])
    refused(archive, r"not a complete zip or tar|empty|is damaged|is cut off")


@pytest.mark.parametrize("change", ["flipped", "cut"])
def test_a_bad_second_header_does_not_end_the_list(tmp_path: Path, change: str) -> None:
    archive = write_tar(tmp_path / "a.tar", {"a": b"1", "b": b"2"})
    data = bytearray(archive.read_bytes())
    if change == "flipped":
        data[1024] ^= 4
    archive.write_bytes(data if change == "flipped" else data[:1200])
    refused(archive, "a header is damaged or the end is missing")


#: Extracts an archive; prints the error and the memory that it took, MB.
WITHIN_MEMORY = """
import resource, sys
from pathlib import Path
from ssl4sar.acquire.extract import extract_archive
from ssl4sar.core.errors import UserError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    extract_archive(Path(sys.argv[1]), Path(sys.argv[2]))
    print("extracted")
except UserError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def extracted_apart(archive: Path) -> tuple[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", WITHIN_MEMORY, str(archive), str(archive.with_name("out"))],
        capture_output=True,
        text=True,
        check=True,
    )
    told, memory_mb = done.stdout.splitlines()
    return told, float(memory_mb)


def tar_header(kind: bytes, size: int, name: bytes = b"a.txt") -> bytes:
    """A header of a tar that may claim anything."""
    header = bytearray(512)
    header[: len(name)] = name
    header[100:108] = b"0000644\0"
    header[124:136] = b"%011o\0" % size if size >= 0 else size.to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def note_archive(path: Path, kind: bytes, size: int, times: int = 1, packed: bool = False) -> Path:
    """Write a tar with long notes about its only member."""
    end = tar_header(b"0", 0) + bytes(1024)
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        for _ in range(times):
            file.write(tar_header(kind, size))
            record = b"%d comment=" % size if kind in b"xg" else b""
            file.write(record + b"a" * (size - len(record) - 1) + b"\n")
            file.write(bytes(-size % 512))
        file.write(end)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "packed"), [(b"x", False), (b"g", True), (b"L", True)])
def test_a_long_note_of_a_member_is_not_read(tmp_path: Path, kind: bytes, packed: bool) -> None:
    archive = note_archive(tmp_path / "a.tar", kind, 200_000_000, packed=packed)
    told, memory_mb = extracted_apart(archive)
    assert "far too long" in told
    assert memory_mb < 50


@pytest.mark.parametrize("kind", [b"x", b"L", b"0"])
def test_a_negative_size_neither_reads_all_nor_never_ends(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_header(b"0", 0, b"b") + tar_header(kind, -1024) + bytes(2048))
    refused(archive, "a member has a negative size")


def test_notes_of_usual_length_are_read(tmp_path: Path) -> None:
    name = "data/" + "n" * 200 + "/" + "ö" * 100 + ".txt"
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        archive = tmp_path / f"{kind}.tar.gz"
        with tarfile.open(archive, "w:gz", format=kind) as opened:
            for number in range(300):
                member = tarfile.TarInfo(f"{name}{number}")
                member.size = 1
                opened.addfile(member, io.BytesIO(b"a"))
        assert len(extract_archive(archive, tmp_path / f"out{kind}")) == 300


@pytest.mark.slow
def test_a_zip_with_an_endless_list_is_not_read(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", *[0] * 6, 0, 0, 0, 1, *[0] * 4, 0, 0) + b"a"
    count = 2_000_000
    with archive.open("wb") as file:
        file.write(b"PK\3\4" + bytes(26) + entry * count)
        size = len(entry) * count
        end64 = file.tell()
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 30))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, end64, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, *[0xFFFFFFFF] * 2, 0))
    told, memory_mb = extracted_apart(archive)
    assert "far too long" in told
    assert memory_mb < 50
