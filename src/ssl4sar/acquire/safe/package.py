"""Files of a product in SAFE format: a folder ``NAME.SAFE``, or a zip that holds one.

The members of a zip are checked once, when it is opened; nothing of it is unpacked to the disk.
Libraries that read images within a zip do not compare them with their checksums, so a damaged block
could pass for a picture: every image is compared (CRC-32) before it is read for the first time.
That takes about as long as unpacking it: a few seconds per gigabyte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ssl4sar.acquire.extract import open_zip
from ssl4sar.acquire.safe.manifest import LONGEST_BYTES
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import open_regular
from ssl4sar.core.hashing import stream_digests

_AGAIN: Final = "get the product again"


@dataclass(frozen=True)
class SafePackage:
    """The files of a product.

    Attributes:
        path: folder or zip.
        name: of the product, without ``.SAFE``.
        members: paths within the folder or zip, by path in lower case relative to the product.
    """

    path: Path
    name: str
    members: Mapping[str, str]
    _intact: set[str] = field(default_factory=set, repr=False, compare=False)

    def read(self, name: str) -> bytes:
        """Return the content of a text file that is there.

        Raises:
            UserError: it is damaged, or longer than such files are.
        """
        member = self.members[name]
        if self.path.is_dir():
            with open_regular(self.path / member) as file:
                content = file.read(LONGEST_BYTES + 1)
        else:
            with open_zip(self.path, checked=True) as opened, opened.open(member) as stream:
                content = stream.read(LONGEST_BYTES + 1)
        if len(content) > LONGEST_BYTES:
            problem = f"it is longer than {LONGEST_BYTES / 1e6:g} MB"
            raise UserError(self.path / member, problem, _AGAIN)
        return content

    def raster_name(self, name: str) -> str:
        """Return what GDAL calls an image that is there; one in a zip is compared with its CRC.

        Raises:
            UserError: it is damaged.
        """
        member = self.members[name]
        if self.path.is_dir():
            return str(self.path / member)
        if name not in self._intact:
            with open_zip(self.path, checked=True) as opened, opened.open(member) as stream:
                # Reading a member to its end compares its CRC.
                stream_digests(stream, ())
            self._intact.add(name)
        # Braces: the name of a zip may have any ending.
        return f"/vsizip/{{{self.path.resolve()}}}/{member}"


def open_package(path: str | Path, marker: str, fix: str) -> SafePackage:
    """Open a product; of its files only the names are read.

    Args:
        path: folder ``NAME.SAFE``, the marker in it, or a zip that holds one.
        marker: name of a file at the top of the product, in any case.
        fix: what to do where there is none.

    Raises:
        UserError: there is nothing, or not one such product; the zip is damaged or not safe to
            unpack.
    """
    path, lower = Path(path), marker.lower()
    if path.name.lower() == lower:
        path = path.parent
    if not path.exists():
        raise UserError(path, "the product does not exist", fix)
    if path.is_dir():
        if not any(entry.name.lower() == lower for entry in path.iterdir()):
            raise UserError(path, f"there is no {marker} in it", fix)
        files = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        name = _without_ending(path.resolve().name)
        return SafePackage(path, name, {file.lower(): file for file in files})
    with open_zip(path) as opened:
        names = [name for name in opened.namelist() if not name.endswith("/")]
    found = [name for name in names if name.lower().split("/")[1:] == [lower]]
    if len(found) != 1:
        number = f"{len(found)} of them are" if found else "none is"
        raise UserError(path, f"it is to hold a folder with {marker}, {number} there", fix)
    folder = found[0].partition("/")[0]
    inside = (name for name in names if name.startswith(f"{folder}/"))
    members = {name.partition("/")[2].lower(): name for name in inside}
    return SafePackage(path, _without_ending(folder), members)


def _without_ending(folder: str) -> str:
    return folder[:-5] if folder.lower().endswith(".safe") else folder
