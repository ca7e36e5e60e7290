"""Products that are there already: a folder of SAFE folders and zips, e.g. the mirror of a centre.

A mirror may hold 100,000 products: it is listed by names alone, and manifests are read of those
products only that a query's mission, kind and dates let through, and of folders whose name is not
one of a product though they hold a ``manifest.safe``. Nothing is ever written there.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final, Self

from ssl4sar.acquire.catalogue.product_name import ProductName, bare_name, is_kind, parse_name
from ssl4sar.acquire.catalogue.record import product_of
from ssl4sar.acquire.orbits.choice import OrbitKind, OrbitName
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.common import BOTH_MISSIONS
from ssl4sar.acquire.query import LeftOut, MissingProductError, Query, Selection
from ssl4sar.acquire.safe.files import take_file, take_folder, take_zip
from ssl4sar.acquire.safe.manifest import MANIFEST_NAME
from ssl4sar.acquire.safe.overview import SafeOverview, read_overview
from ssl4sar.config.services import Services
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log, track
from ssl4sar.core.wording import counted, printable

#: Names with a satellite and a time are those of products, though perhaps not as published.
_LIKE_A_PRODUCT: Final = re.compile(r"S[12][A-Z]_.*\d{8}T\d{6}", re.IGNORECASE)
_OLD_OPTICAL: Final = re.compile(r"S2[A-Z]_OPER_PRD_MSI", re.IGNORECASE)
_PACKED: Final = (".zip", ".tar", ".tgz", ".tar.gz", ".safe")
#: Files that people keep beside a product and that are not one: metadata, checksums, quick looks.
_BESIDE: Final = (
    *(".xml", ".json", ".txt", ".csv", ".html", ".kml", ".meta4", ".md5", ".sha256", ".log"),
    *(".png", ".jpg", ".jpeg", ".gif"),
)


class Local:
    """The provider of products on disk.

    A product that is there as a folder and as a zip counts once, as a folder. Links to folders and
    files are followed. Folders may lack ``.SAFE`` or be written in lower case, as clouds keep them.
    What looks like a product and is not recognised is listed as left out, with the reason; so are
    products in the naming before December 2016 (Sentinel-2), which hold several tiles.

    Args:
        root: folder that holds the products, at any depth.

    Raises:
        UserError: there is no such folder.
    """

    name: Final = "local"
    missions: Final[frozenset[Mission]] = BOTH_MISSIONS
    library: ClassVar[str | None] = None

    def __init__(self, root: str | Path | None) -> None:
        if root is None:
            raise UserError(
                "sentinel.root", "it is missing", "give the folder of products of provider local"
            )
        self._root = Path(root).expanduser()
        if not self._root.is_dir():
            raise UserError(self._root, "the folder does not exist", "correct sentinel.root")
        self._overviews: dict[Path, SafeOverview | LeftOut] = {}

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return the folder of a configuration."""
        return cls(services.root)

    @cached_property
    def _listing(self) -> _Listing:
        """All products; made once, as a search asks for each month by itself."""
        listing = _Listing(self._root)
        if listing.strangers:
            first = ", ".join(printable(each.name, 100) for each in listing.strangers[:3])
            log(
                f"warning: {self._root}: {counted(len(listing.strangers), 'item')} not recognised "
                f"as products, e.g. {first}; left_out.csv lists them"
            )
        return listing

    def search(self, query: Query) -> Iterator[Product | LeftOut]:
        """Yield the products of a mission and time, sorted by name, after what is not recognised.

        Of products that are of another kind or polarisation by their names nothing is read.

        Raises:
            UserError: the folder cannot be read.
        """
        for stranger in self._listing.strangers:
            letters = PurePosixPath(stranger.name).name[:2].upper()
            if letters not in {"S1", "S2"} or letters == f"S{query.mission[-1]}":
                yield stranger
        for each in self._listing.between(query.start, query.stop):
            if each.name.mission == query.mission:
                yield self._listed(each, query)

    def orbit_files(
        self, platform: str, kind: OrbitKind, start: datetime, stop: datetime
    ) -> Iterator[Product]:
        """Yield the orbit files of a satellite whose validity starts within a span of time.

        Args:
            platform: e.g. S1A.
            kind: POEORB or RESORB.
            start: files that begin at or after this time.
            stop: and before this time.
        """
        for path, name in self._listing.orbits:
            if (name.platform, name.kind) == (platform, kind) and start <= name.start < stop:
                yield name.product(
                    provider=self.name,
                    id=path.relative_to(self._root).as_posix(),
                    name=path.name[:-4],
                    size_bytes=path.stat().st_size,
                )

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Link a product into ``folder`` where the disk allows, else copy it, and verify it.

        Of a SAFE folder the needed files are taken, as from a service that serves single files; a
        zip is taken whole. Size and checksum of every file are compared with the manifest, in a
        zip also the checksum of every member.
        """
        path = self._place(product)
        if path.is_dir():
            target = folder / f"{product.name}.SAFE"
            return take_folder(path, target, product.mission, selection)
        if path.is_file():
            return take_zip(path, folder / f"{product.name}.zip", f"{product.name}.SAFE")
        raise MissingProductError(
            path, "the product is not there any more", "refresh the inventory"
        )

    def fetch_file(self, product: Product, target: Path) -> None:
        """Link or copy a product that is one file, e.g. an orbit file.

        Args:
            product: a product of this provider.
            target: file to write.

        Raises:
            MissingProductError: it is not there any more.
        """
        path = self._place(product)
        if not path.is_file():
            raise MissingProductError(path, "it is not there any more", "refresh the inventory")
        take_file(path, target)

    def _place(self, product: Product) -> Path:
        """Return where a product is, below the root and nowhere else."""
        place = PurePosixPath(product.id)
        path = self._root / place
        is_below = not place.is_absolute() and ".." not in place.parts
        if is_below and product.name in {_plain(place.name), place.name.removesuffix(".EOF")}:
            return path
        if is_below and path.is_dir() and _plain(_official_name(path)) == product.name:
            return path
        raise UserError(product.name, "its place is not below the root", "refresh the inventory")

    def _listed(self, each: _Listed, query: Query) -> Product | LeftOut:
        """Return a product, or why it cannot be used; read only if its name fits the query."""
        listed = {"id": each.path.relative_to(self._root).as_posix(), "name": each.name.name}
        try:
            if not _name_matches(each.name, query):
                return product_of(self.name, listed)
            if each.path not in self._overviews:
                self._overviews[each.path] = _read(each)
            overview = self._overviews[each.path]
            if isinstance(overview, LeftOut):
                return overview
            size_bytes = each.path.stat().st_size if each.path.is_file() else None
            return product_of(self.name, listed | vars(overview) | {"size_bytes": size_bytes})
        except ValueError as error:
            return LeftOut(each.name.name, "unreadable", printable(error, 200))


@dataclass(frozen=True)
class _Listed:
    """A product on disk and what its name says."""

    path: Path
    name: ProductName


@dataclass
class _Listing:
    """Everything below a folder, by names; what links make reachable twice is listed once.

    Attributes:
        root: the folder.
        orbits: paths of orbit files and what their names say.
        strangers: what looks like a product and is not recognised.

    Raises:
        UserError: the root cannot be read.
    """

    root: Path
    orbits: list[tuple[Path, OrbitName]] = field(default_factory=list)
    strangers: list[LeftOut] = field(default_factory=list)
    _products: dict[str, _Listed] = field(default_factory=dict)
    #: Folders that are called like a product, and its name, before a manifest is found in them.
    _hollow: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look through all folders."""
        # A link that leads up would list what is not of the mirror.
        seen = {os.fspath(folder) for folder in Path(os.path.realpath(self.root)).parents}
        walk = os.walk(self.root, onerror=self._note_unreadable, followlinks=True)
        for place, folders, files in track(walk, f"listing {self.root}"):
            folder, here = Path(place), os.path.realpath(place)
            if here in seen:
                folders.clear()
            elif MANIFEST_NAME in files:
                self._take_by_manifest(folder)
                folders.clear()
            else:
                shown = sorted(name for name in folders if not name.startswith("."))
                folders[:] = [name for name in shown if self._is_to_be_entered(folder / name)]
                for name in files:
                    self._take_file(folder / name)
            seen.add(here)
        for path, name in self._hollow.items():
            if name not in self._products:
                self._leave_out(path, f"there is no {MANIFEST_NAME} in it")
        self.strangers.sort(key=lambda each: (each.name, each.detail))
        # In order of time, so that a month of them is found without looking at all.
        self._by_time = sorted(self._products.values(), key=lambda each: each.name.start)
        self._starts = [each.name.start for each in self._by_time]

    def between(self, start: datetime, stop: datetime) -> list[_Listed]:
        """Return the products that start at or after a time and before another, by name."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, stop)
        return sorted(self._by_time[first:last], key=lambda each: each.name.name)

    def _note_unreadable(self, error: OSError) -> None:
        path = Path(str(error.filename))
        if path == self.root:
            raise UserError(path, "the folder cannot be read", "check its rights") from error
        self._leave_out(path, f"the folder cannot be read ({error.strerror})")

    def _take_by_manifest(self, folder: Path) -> None:
        """Take a folder that holds a manifest: it is a product, whatever it is called."""
        self._hollow.pop(folder, None)
        name = _parsed(_official_name(folder))
        if name is None:
            self._leave_out(folder, _why_strange(folder.name))
        else:
            self._add(_Listed(folder, name))

    def _is_to_be_entered(self, folder: Path) -> bool:
        """Sort a folder in by its name, as far as that goes; return whether to look into it."""
        name = _parsed(folder.name) if _LIKE_A_PRODUCT.match(folder.name) else None
        if name is not None and folder.suffix.lower() in {".safe", ".zip"}:
            self._add(_Listed(folder, name))
            return False
        if name or folder.suffix.lower() == ".safe" or _OLD_OPTICAL.match(folder.name):
            self._hollow[folder] = name.name if name else ""
        return True

    def _take_file(self, path: Path) -> None:
        lower, is_like = path.name.lower(), _LIKE_A_PRODUCT.match(path.name) is not None
        name = _parsed(path.name) if is_like else None
        if lower.startswith("."):
            return
        if name is not None and lower.endswith((".safe", ".zip")):
            self._add(_Listed(path, name))
        elif lower.endswith(".eof"):
            with suppress(ValueError):  # of another satellite or kind, not a product
                self.orbits.append((path, OrbitName.parse(path.name)))
        elif lower.endswith(_PACKED):
            self._leave_out(path, _why_strange(path.name))
        elif is_like and not lower.endswith(_BESIDE):
            self._leave_out(path, "it is a file: of files only zips are read")

    def _add(self, listed: _Listed) -> None:
        earlier = self._products.get(listed.name.name)
        # A folder can be linked file by file, of a zip all has to be taken.
        if earlier is None or earlier.path.suffix.lower() == ".zip":
            self._products[listed.name.name] = listed

    def _leave_out(self, path: Path, why: str) -> None:
        place = os.path.relpath(path, self.root)
        self.strangers.append(LeftOut(printable(place, 300), "not_recognised", why))


def _plain(name: str) -> str:
    """Return a name as published: clouds write some in lower case."""
    return bare_name(name).upper()


def _parsed(name: str) -> ProductName | None:
    try:
        return parse_name(_plain(name))
    except ValueError:
        return None


def _official_name(folder: Path) -> str:
    """Return the official name of a folder with a manifest: its own, or that in its metadata."""
    if _parsed(folder.name) is None:
        try:
            return read_overview(folder).official_name or folder.name
        except UserError:
            return folder.name
    return folder.name


def _why_strange(name: str) -> str:
    if _OLD_OPTICAL.match(name):
        return "products before December 2016 hold several tiles: take them processed again"
    if name.lower().endswith((".tar", ".tgz", ".tar.gz")):
        return "of archives only zips are read"
    return "its name is not an official one of Sentinel-1 or Sentinel-2: give it back its own"


def _read(each: _Listed) -> SafeOverview | LeftOut:
    try:
        overview = read_overview(each.path)
    except UserError as error:
        log(f"warning: left out: {error}")
        return LeftOut(each.name.name, "unreadable", printable(error, 300))
    if len(overview.granules) > 1:
        held = ", ".join(printable(granule, 60) for granule in overview.granules[:3])
        number = len(overview.granules)
        return LeftOut(each.name.name, "several_tiles", f"it holds {number} granules: {held}")
    return overview


def _name_matches(name: ProductName, query: Query) -> bool:
    """Return whether kind and polarisations fit, as far as the name says."""
    wanted = set(query.polarisations)
    fits = not wanted or name.mission == "sentinel-2" or bool(wanted & set(name.polarisations))
    return fits and is_kind(name.product_type, query.product_type)
