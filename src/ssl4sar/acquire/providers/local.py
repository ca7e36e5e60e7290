"""Products that are there already: a folder of SAFE folders and zips, e.g. the mirror of a centre.

A mirror may hold 100,000 products: it is listed by names alone, and manifests are read of those
products only that a query's mission, kind and dates let through. Nothing is ever written there.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from ssl4sar.acquire.catalogue.product_name import OpticalName, SarName, bare_name, parse_name
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.common import fits, is_kind
from ssl4sar.acquire.safe.files import take_folder, take_zip
from ssl4sar.acquire.safe.overview import SafeOverview, read_overview
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell, track

#: Mirrors sort products by mission, kind, year, month and day; links in them may form loops.
MAX_DEPTH: Final = 8


class Local:
    """The provider of products on disk.

    A product that is there as a folder and as a zip counts once, as a folder. Links to folders and
    files are followed. Products in the naming before December 2016 (Sentinel-2) are not known.

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
        self._overviews: dict[Path, SafeOverview | None] = {}

    @cached_property
    def _listing(self) -> _Listing:
        """All products; made once, as a search asks for each month by itself."""
        found: dict[str, _Listed] = {}
        for each in track(_products(self._root), f"listing {self._root}"):
            earlier = found.get(each.parsed.name)
            # A folder can be linked file by file, of a zip all has to be taken.
            if earlier is None or earlier.path.suffix.lower() == ".zip":
                found[each.parsed.name] = each
        return _Listing(found.values())

    def search(self, query: Query) -> Iterator[Product]:
        """Yield the products that match, sorted by name.

        A product whose manifest cannot be read is told and left out. Of a Sentinel-2 product
        without metadata of its clouds, ``max_cloud_percent`` says nothing.

        Args:
            query: what is looked for.

        Raises:
            UserError: the folder cannot be read.
        """
        for each in self._listing.between(query.start, query.stop):
            if not _name_matches(each.parsed, query):
                continue
            overview = self._overview(each.path)
            if overview is not None:
                product = self._product(each.path, each.parsed, overview)
                if fits(product, query):
                    yield product

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
        place = PurePosixPath(product.id)
        if place.is_absolute() or ".." in place.parts or bare_name(place.name) != product.name:
            raise UserError(
                product.name, "its place is not below the root", "refresh the inventory"
            )
        path = self._root / place
        if path.is_dir():
            target = folder / f"{product.name}.SAFE"
            return take_folder(path, target, product.mission, selection)
        if path.is_file():
            return take_zip(path, folder / f"{product.name}.zip", f"{product.name}.SAFE")
        raise MissingProductError(
            path, "the product is not there any more", "refresh the inventory"
        )

    def _overview(self, path: Path) -> SafeOverview | None:
        if path not in self._overviews:
            try:
                self._overviews[path] = read_overview(path)
            except UserError as error:
                tell(f"warning: left out: {error}")
                self._overviews[path] = None
        return self._overviews[path]

    def _product(
        self, path: Path, parsed: SarName | OpticalName, overview: SafeOverview
    ) -> Product:
        place = path.relative_to(self._root).as_posix()
        size_bytes = path.stat().st_size if path.is_file() else None
        if isinstance(parsed, SarName):
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
                relative_orbit=overview.relative_orbit or parsed.relative_orbit,
                orbit_direction=overview.orbit_direction,
                datatake=parsed.datatake,
                processor_version=overview.processor_version,
                size_bytes=size_bytes,
                footprint=overview.footprint,
            )
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
            orbit_direction=overview.orbit_direction,
            datatake=parsed.datatake,
            processor_version=parsed.baseline,
            cloud_percent=overview.cloud_percent,
            size_bytes=size_bytes,
            footprint=overview.footprint,
            tile=parsed.tile,
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


class _Listing:
    """Products in order of time, so that a month of them is found without looking at all."""

    def __init__(self, products: Iterable[_Listed]) -> None:
        self._products = sorted(products, key=lambda each: each.start)
        self._starts = [each.start for each in self._products]

    def between(self, start: datetime, stop: datetime) -> list[_Listed]:
        """Return the products that start at or after a time and before another, by name."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, stop)
        return sorted(self._products[first:last], key=lambda each: each.parsed.name)


def _products(root: Path) -> Iterator[_Listed]:
    """Yield all products below a folder, in the order of the disk."""
    waiting = [(os.fspath(root), 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    ending = entry.name[-5:].lower()
                    if entry.name.startswith("."):
                        continue
                    if ending == ".safe" or ending.endswith(".zip"):
                        parsed = _parsed(entry.name)
                        if parsed is not None:
                            yield _Listed(Path(entry.path), parsed)
                    elif depth < MAX_DEPTH and entry.is_dir():
                        waiting.append((entry.path, depth + 1))
        except PermissionError as error:
            if depth == 0:
                raise UserError(folder, "the folder cannot be read", "check its rights") from error
            tell(f"warning: {folder}: the folder cannot be read; what is in it is left out")


def _parsed(name: str) -> SarName | OpticalName | None:
    try:
        return parse_name(name)
    except ValueError:
        return None


def _name_matches(parsed: SarName | OpticalName, query: Query) -> bool:
    """Return whether mission, kind and polarisations fit, as far as the name tells."""
    mission: Mission = "sentinel-1" if isinstance(parsed, SarName) else "sentinel-2"
    if mission != query.mission or not is_kind(parsed.product_type, query.product_type):
        return False
    if isinstance(parsed, SarName) and query.polarisations:
        return bool(set(parsed.polarisations) & set(query.polarisations))
    return True
