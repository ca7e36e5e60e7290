"""Products that are there already: a folder of SAFE folders and zips, e.g. the mirror of a centre.

A mirror may hold 100,000 products: it is listed by names alone, and manifests are read of those
products only that a query's mission, kind and dates let through. Nothing is ever written there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    def _listing(self) -> dict[str, Path]:
        """Products by name, the names in order; made once."""
        found: dict[str, Path] = {}
        for path in track(_products(self._root), f"listing {self._root}"):
            name = bare_name(path.name)
            # A folder can be linked file by file, of a zip all has to be taken.
            if name not in found or found[name].suffix.lower() == ".zip":
                found[name] = path
        return dict(sorted(found.items()))

    def search(self, query: Query) -> Iterator[Product]:
        """Yield the products that match, sorted by name.

        A product whose manifest cannot be read is told and left out. Of a Sentinel-2 product
        without metadata of its clouds, ``max_cloud_percent`` says nothing.

        Args:
            query: what is looked for.

        Raises:
            UserError: the folder cannot be read.
        """
        for name, path in self._listing.items():
            parsed = parse_name(name)
            if not _name_matches(parsed, query):
                continue
            overview = self._overview(path)
            if overview is not None:
                product = self._product(path, parsed, overview)
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


def _products(root: Path) -> Iterator[Path]:
    """Yield the paths of all products below a folder, in the order of the disk."""
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
                        if _is_known(entry.name):
                            yield Path(entry.path)
                    elif depth < MAX_DEPTH and entry.is_dir():
                        waiting.append((entry.path, depth + 1))
        except PermissionError as error:
            if depth == 0:
                raise UserError(folder, "the folder cannot be read", "check its rights") from error
            tell(f"warning: {folder}: the folder cannot be read; what is in it is left out")


def _is_known(name: str) -> bool:
    try:
        parse_name(name)
    except ValueError:
        return False
    return True


def _name_matches(parsed: SarName | OpticalName, query: Query) -> bool:
    """Return whether mission, kind, dates and polarisations fit, as far as the name tells."""
    mission: Mission = "sentinel-1" if isinstance(parsed, SarName) else "sentinel-2"
    if mission != query.mission or not is_kind(parsed.product_type, query.product_type):
        return False
    start: datetime = parsed.start if isinstance(parsed, SarName) else parsed.datatake_start
    if not query.start <= start < query.stop:
        return False
    if isinstance(parsed, SarName) and query.polarisations:
        return bool(set(parsed.polarisations) & set(query.polarisations))
    return True
