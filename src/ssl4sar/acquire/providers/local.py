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
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from ssl4sar.acquire.catalogue.inventory import LeftOut
from ssl4sar.acquire.catalogue.orbit_direction import scene_direction
from ssl4sar.acquire.catalogue.product_name import OpticalName, SarName, bare_name, parse_name
from ssl4sar.acquire.orbits.choice import OrbitKind, OrbitName
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.common import is_kind
from ssl4sar.acquire.safe.files import take_file, take_folder, take_zip
from ssl4sar.acquire.safe.manifest import MANIFEST_NAME
from ssl4sar.acquire.safe.overview import SafeOverview, read_overview
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell, track
from ssl4sar.core.wording import counted, printable

#: Mirrors sort products by mission, kind, year, month and day, clouds by much more.
MAX_DEPTH: Final = 32
#: Names with a satellite and a time are those of products, though perhaps not as published.
_LIKE_A_PRODUCT: Final = re.compile(r"S[12][A-Z]_.*\d{8}T\d{6}", re.IGNORECASE)
_OLD_OPTICAL: Final = re.compile(r"S2[A-Z]_OPER_PRD_MSI", re.IGNORECASE)
_PACKED: Final = (".zip", ".tar", ".tgz", ".tar.gz", ".safe")
#: Files that people keep beside a product and that are not one: metadata, checksums, quick looks.
_BESIDE: Final = (
    *(".xml", ".json", ".txt", ".csv", ".html", ".kml", ".meta4", ".md5", ".sha256", ".log"),
    *(".png", ".jpg", ".jpeg", ".gif"),
)
_NOT_RECOGNISED: Final = "not_recognised"


class Local:
    """The provider of products on disk.

    A product that is there as a folder and as a zip counts once, as a folder. Links to folders and
    files are followed. Folders may lack ``.SAFE`` or be written in lower case, as clouds keep them.
    What looks like a product and is not recognised is listed as left out, with the reason; so are
    products in the naming before December 2016 (Sentinel-2), which hold several tiles.

    Args:
        root: folder that holds the products, at most ``MAX_DEPTH`` folders down.

    Raises:
        UserError: there is no such folder.
    """

    name: Final = "local"
    missions: Final[frozenset[Mission]] = frozenset({"sentinel-1", "sentinel-2"})

    def __init__(self, root: str | Path | None) -> None:
        if root is None:
            raise UserError(
                "sentinel.root", "it is missing", "give the folder of products of provider local"
            )
        self._root = Path(root).expanduser()
        if not self._root.is_dir():
            raise UserError(self._root, "the folder does not exist", "correct sentinel.root")
        self._overviews: dict[Path, SafeOverview | LeftOut] = {}

    @cached_property
    def _listing(self) -> _Listing:
        """All products; made once, as a search asks for each month by itself."""
        scan = _Scan(self._root)
        scan.run()
        if scan.strangers:
            first = ", ".join(printable(each.name, 100) for each in scan.strangers[:3])
            tell(
                f"warning: {self._root}: {counted(len(scan.strangers), 'item')} not recognised as "
                f"products, e.g. {first}; left_out.csv lists them"
            )
        return _Listing(scan)

    def search(self, query: Query) -> Iterator[Product | LeftOut]:
        """Yield the products of a mission and time, sorted by name, after what is not recognised.

        Of products that are of another kind or polarisation by their names nothing is read.

        Args:
            query: what is looked for.

        Raises:
            UserError: the folder cannot be read.
        """
        for stranger in self._listing.strangers:
            letters = PurePosixPath(stranger.name).name[:2].upper()
            if letters not in {"S1", "S2"} or letters == f"S{query.mission[-1]}":
                yield stranger
        for each in self._listing.between(query.start, query.stop):
            if _mission(each.parsed) == query.mission:
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
        for path, told in self._listing.orbits:
            if (told.platform, told.kind) == (platform, kind) and start <= told.start < stop:
                yield told.product(
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

        Args:
            product: a product of this provider.
            folder: folder of this product alone, kept between tries.
            selection: which files of a folder are taken.

        Returns:
            ``NAME.SAFE`` or ``NAME.zip`` in ``folder``.

        Raises:
            MissingProductError: it is not there any more, incomplete or damaged.
            UserError: the disk is full or the folder cannot be written.
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
        if is_below and path.is_dir() and _plain(_named(path)) == product.name:
            return path
        raise UserError(product.name, "its place is not below the root", "refresh the inventory")

    def _listed(self, each: _Listed, query: Query) -> Product | LeftOut:
        """Return a product, or why it cannot be used; read only if its name fits the query."""
        place = each.path.relative_to(self._root).as_posix()
        try:
            if not _name_matches(each.parsed, query):
                return self._product(place, each, None)
            overview = self._overview(each.path, each.parsed.name)
            if isinstance(overview, LeftOut):
                return overview
            return self._product(place, each, overview)
        except ValueError as error:
            return LeftOut(each.parsed.name, "unreadable", printable(error, 200))

    def _overview(self, path: Path, name: str) -> SafeOverview | LeftOut:
        if path not in self._overviews:
            self._overviews[path] = _read(path, name)
        return self._overviews[path]

    def _product(self, place: str, each: _Listed, overview: SafeOverview | None) -> Product:
        """Return the product of a name, and of its manifest where that was read."""
        parsed, path = each.parsed, each.path
        size_bytes = path.stat().st_size if overview and path.is_file() else None
        if isinstance(parsed, OpticalName):
            return Product(
                provider=self.name,
                id=place,
                name=parsed.name,
                mission="sentinel-2",
                platform=parsed.platform,
                product_type=parsed.product_type,
                start=parsed.datatake_start,
                stop=parsed.datatake_start,
                relative_orbit=parsed.relative_orbit,
                orbit_direction=overview.orbit_direction if overview else None,
                datatake=parsed.datatake,
                processor_version=parsed.baseline,
                cloud_percent=overview.cloud_percent if overview else None,
                size_bytes=size_bytes,
                footprint=overview.footprint if overview else None,
                tile=parsed.tile,
            )
        direction, is_stated = scene_direction(
            overview.orbit_direction if overview else None,
            parsed.platform,
            parsed.start,
            parsed.stop,
            overview.footprint if overview else None,
            overview.node_ms if overview else (None, None),
        )
        return Product(
            provider=self.name,
            id=place,
            name=parsed.name,
            mission="sentinel-1",
            platform=parsed.platform,
            product_type=parsed.product_type,
            start=parsed.start,
            stop=parsed.stop,
            mode=parsed.mode,
            polarisations=parsed.polarisations,
            relative_orbit=(overview and overview.relative_orbit) or parsed.relative_orbit,
            orbit_direction=direction,
            direction_stated=is_stated,
            datatake=parsed.datatake,
            processor_version=overview.processor_version if overview else None,
            size_bytes=size_bytes,
            footprint=overview.footprint if overview else None,
        )


@dataclass(frozen=True)
class _Listed:
    """A product on disk and what its name tells."""

    path: Path
    parsed: SarName | OpticalName

    @property
    def start(self) -> datetime:
        """Start of the acquisition, as far as the name tells it."""
        parsed = self.parsed
        return parsed.start if isinstance(parsed, SarName) else parsed.datatake_start


@dataclass
class _Scan:
    """Everything below a folder, by names; links may form loops.

    Attributes:
        root: the folder.
        products: by name.
        orbits: paths of orbit files and what their names say.
        strangers: what looks like a product and is not recognised.
    """

    root: Path
    products: dict[str, _Listed] = field(default_factory=dict)
    orbits: list[tuple[Path, OrbitName]] = field(default_factory=list)
    strangers: list[LeftOut] = field(default_factory=list)
    _waiting: list[tuple[str, int]] = field(default_factory=list)
    _linked: set[str] = field(default_factory=set)
    #: Folders that are called like a product, and its name, before a manifest is found in them.
    _hollow: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Look through all folders.

        Raises:
            UserError: the root cannot be read.
        """
        self._waiting.append((os.fspath(self.root), 0))
        for folder, depth in track(self._folders(), f"listing {self.root}"):
            self._look_into(folder, depth)
        for path, name in self._hollow.items():
            if name not in self.products:
                self._leave_out(path, f"there is no {MANIFEST_NAME} in it")
        self.strangers.sort(key=lambda each: (each.name, each.detail))

    def _folders(self) -> Iterator[tuple[str, int]]:
        while self._waiting:
            yield self._waiting.pop()

    def _look_into(self, folder: str, depth: int) -> None:
        try:
            with os.scandir(folder) as opened:
                entries = [entry for entry in opened if not entry.name.startswith(".")]
        except OSError as error:
            if depth == 0:
                raise UserError(folder, "the folder cannot be read", "check its rights") from error
            self._leave_out(folder, f"the folder cannot be read ({error.strerror})")
            return
        if any(entry.name == MANIFEST_NAME for entry in entries):
            self._take_by_manifest(folder)
            return
        for entry in entries:
            self._take(entry, depth)

    def _take(self, entry: os.DirEntry[str], depth: int) -> None:
        """Sort one entry in, by its name as far as that goes."""
        lower = entry.name.lower()
        is_packed = lower.endswith(_PACKED)
        parsed = _parsed(entry.name) if _LIKE_A_PRODUCT.match(entry.name) else None
        if parsed is not None and lower.endswith((".safe", ".zip")):
            self._add(_Listed(Path(entry.path), parsed))
        elif lower.endswith(".eof"):
            self._take_orbit(entry)
        elif _is_folder(entry):
            if parsed is not None:
                self._hollow[entry.path] = parsed.name
            elif lower.endswith(".safe") or _OLD_OPTICAL.match(entry.name):
                self._hollow[entry.path] = ""
            self._descend(entry, depth)
        elif is_packed:
            self._leave_out(entry.path, _why_strange(entry.name))
        elif _LIKE_A_PRODUCT.match(entry.name) and not lower.endswith(_BESIDE):
            self._leave_out(entry.path, "it is a file: of files only zips are read")

    def _descend(self, entry: os.DirEntry[str], depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._leave_out(entry.path, f"it is more than {MAX_DEPTH} folders down")
            return
        if entry.is_symlink():
            # Where a link leads is looked into once; leading up again, it would never end.
            there = os.path.realpath(entry.path)
            here = os.path.realpath(self.root)
            if there in self._linked or f"{here}/".startswith(f"{there}/".replace("//", "/")):
                return
            self._linked.add(there)
        self._waiting.append((entry.path, depth + 1))

    def _take_by_manifest(self, folder: str) -> None:
        """Take a folder that holds a manifest, whatever it is called."""
        self._hollow.pop(folder, None)
        parsed = _parsed(_named(Path(folder)))
        if parsed is None:
            self._leave_out(folder, _why_strange(Path(folder).name))
        else:
            self._add(_Listed(Path(folder), parsed))

    def _take_orbit(self, entry: os.DirEntry[str]) -> None:
        try:
            self.orbits.append((Path(entry.path), OrbitName.parse(entry.name)))
        except ValueError:
            return  # of another satellite or kind, not a product

    def _add(self, listed: _Listed) -> None:
        earlier = self.products.get(listed.parsed.name)
        # A folder can be linked file by file, of a zip all has to be taken.
        if earlier is None or earlier.path.suffix.lower() == ".zip":
            self.products[listed.parsed.name] = listed

    def _leave_out(self, path: str, why: str) -> None:
        place = os.path.relpath(path, self.root)
        self.strangers.append(LeftOut(printable(place, 300), _NOT_RECOGNISED, why))


class _Listing:
    """Products in order of time, so that a month of them is found without looking at all."""

    def __init__(self, scan: _Scan) -> None:
        self.strangers = scan.strangers
        self.orbits = scan.orbits
        self._products = sorted(scan.products.values(), key=lambda each: each.start)
        self._starts = [each.start for each in self._products]

    def between(self, start: datetime, stop: datetime) -> list[_Listed]:
        """Return the products that start at or after a time and before another, by name."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, stop)
        return sorted(self._products[first:last], key=lambda each: each.parsed.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself


def _plain(name: str) -> str:
    """Return a name as published: clouds write some in lower case."""
    return bare_name(name).upper()


def _parsed(name: str) -> SarName | OpticalName | None:
    try:
        return parse_name(_plain(name))
    except ValueError:
        return None


def _named(folder: Path) -> str:
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


def _read(path: Path, name: str) -> SafeOverview | LeftOut:
    try:
        overview = read_overview(path)
    except UserError as error:
        tell(f"warning: left out: {error}")
        return LeftOut(name, "unreadable", printable(error, 300))
    if len(overview.granules) > 1:
        held = ", ".join(printable(each, 60) for each in overview.granules[:3])
        number = len(overview.granules)
        return LeftOut(name, "several_tiles", f"it holds {number} granules: {held}")
    return overview


def _mission(parsed: SarName | OpticalName) -> Mission:
    return "sentinel-1" if isinstance(parsed, SarName) else "sentinel-2"


def _name_matches(parsed: SarName | OpticalName, query: Query) -> bool:
    """Return whether kind and polarisations fit, as far as the name tells."""
    if not is_kind(parsed.product_type, query.product_type):
        return False
    if isinstance(parsed, SarName) and query.polarisations:
        return bool(set(parsed.polarisations) & set(query.polarisations))
    return True
