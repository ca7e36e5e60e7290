"""Sentinel products from the Copernicus Data Space Ecosystem (CDSE).

The catalogue is open; downloads want a free account. Of a product only the files are fetched that
the study reads (OData Nodes), which halves the bytes of a dual-polarised scene.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from ssl4sar.acquire.catalogue.product_name import SarName, parse_name
from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.credentials import Account
from ssl4sar.acquire.network.download import DownloadRecord, NotThereError, WrongContentError
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.cdse_client import CdseClient
from ssl4sar.acquire.providers.common import not_found
from ssl4sar.acquire.providers.odata import ODataCatalogue
from ssl4sar.acquire.safe.manifest import (
    MANIFEST_NAME,
    ManifestFile,
    needed_files,
    read_manifest,
)
from ssl4sar.acquire.safe.verification import (
    DamagedProductError,
    file_problem,
    known_checksums,
    verify_archive,
)
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import can_compute
from ssl4sar.core.progress import tell
from ssl4sar.core.retry import FOR_PRODUCTS, Patience

REGISTER_URL: Final = "https://dataspace.copernicus.eu"


class Cdse:
    """The Copernicus Data Space Ecosystem as a provider.

    Args:
        config: addresses and limits.
        patience: of downloads.

    Attributes:
        tokens: where tokens come from; counts the logins.
    """

    name: Final = "cdse"
    missions: Final[frozenset[Mission]] = frozenset({"sentinel-1", "sentinel-2"})

    def __init__(self, config: CdseConfig, *, patience: Patience | None = None) -> None:
        self._config = config
        self._client = CdseClient(config, account(config), patience or FOR_PRODUCTS)
        self.tokens = self._client.tokens

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all products that match, each once.

        Raises:
            UserError: the catalogue refuses, answers nonsense or cannot be reached.
        """
        config = self._config
        catalogue = ODataCatalogue(config.catalogue_url, config.page_size, config.max_skip)
        return catalogue.products(query)

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch the needed files of a product, or all of it, going on where an earlier try stopped.

        All of it is fetched, as one archive, where it is asked for, and where the service does not
        deliver a needed file by itself or nothing could tell whether it is right.

        Args:
            product: a product of this provider.
            folder: folder of this product alone, kept between tries.
            selection: files that are wanted; all where products are fetched whole.

        Returns:
            The folder ``NAME.SAFE`` or the archive ``NAME.zip``. Every file of it agrees with the
            manifest.

        Raises:
            MissingProductError: offline, gone, without what is wanted, or broken at source.
            UserError: credentials, disk, a lasting failure of the line, or the service does not
                find what its catalogue lists.
        """
        _require_online(product)
        folder.mkdir(parents=True, exist_ok=True)
        safe = folder / f"{product.name}.SAFE"
        with self._told_as_missing(product):
            if not self._config.whole_products:
                if self._fetch_files(product, safe, selection):
                    return safe
                tell(f"{product.name}: its single files cannot be had: fetching the whole product")
            archive = self._fetch_archive(product, folder / f"{product.name}.zip")
        if safe.exists():
            shutil.rmtree(safe)
        return archive

    def fetch_file(self, product: Product, target: Path) -> DownloadRecord:
        """Fetch a product that is one file, e.g. an orbit file.

        Args:
            product: a product of this provider.
            target: file to write; replaced only by a complete and verified one.

        Raises:
            MissingProductError: offline, gone or broken at source.
            UserError: as for `fetch`.
        """
        _require_online(product)
        with self._told_as_missing(product):
            checksums = known_checksums(product.checksums)
            url = self._client.address(product)
            return self._client.download(url, target, checksums, product.size_bytes)

    @contextmanager
    def _told_as_missing(self, product: Product) -> Iterator[None]:
        """Turn what asking again cannot mend into the error that says so."""
        try:
            yield
        except NotThereError as error:
            listed = self._client.is_still_listed(product)
            raise not_found(product, error, is_still_listed=listed) from error
        except (WrongContentError, DamagedProductError) as error:
            raise MissingProductError(
                product.name,
                f"what the service delivers is damaged: {error.problem}",
                "tell the service's help desk, or leave it out",
            ) from error

    def _fetch_files(self, product: Product, safe: Path, selection: Selection) -> bool:
        """Fetch the needed files; False where they cannot be had one by one."""
        try:
            return self._fetch_listed(product, safe, selection)
        except NotThereError:
            return False

    def _fetch_listed(self, product: Product, safe: Path, selection: Selection) -> bool:
        """Fetch the needed files of the manifest; as `_fetch_needed`."""
        files = self._manifest(product, safe)
        try:
            return self._fetch_needed(product, safe, files, selection)
        except (WrongContentError, NotThereError, MissingProductError):
            # Nothing but the manifest itself says what it must hold: it may be the one at fault.
            manifest = safe / MANIFEST_NAME
            before = manifest.read_bytes()
            manifest.unlink()
            files = self._manifest(product, safe)
            if manifest.read_bytes() == before:
                raise
            tell(f"{product.name}: the manifest was damaged")
            return self._fetch_needed(product, safe, files, selection)

    def _fetch_needed(
        self, product: Product, safe: Path, files: tuple[ManifestFile, ...], selection: Selection
    ) -> bool:
        """Fetch the needed files; False where the manifest cannot tell whether they are right."""
        needed = needed_files(files, product.mission, selection, product.name)
        _require_own(product, needed)
        if not all(file.checksum and can_compute(file.checksum.algorithm) for file in needed):
            tell(f"{product.name}: its manifest has no checksums that can be compared")
            return False
        total_mb = sum(file.size_bytes or 0 for file in needed) / 1e6
        tell(f"{product.name}: {len(needed)} of {len(files)} files are needed, {total_mb:.1f} MB")
        for file in needed:
            self._fetch_node(product, safe, file)
        tell(f"{product.name}: {len(needed)} files agree with the manifest")
        return True

    def _manifest(self, product: Product, safe: Path) -> tuple[ManifestFile, ...]:
        path = safe / MANIFEST_NAME
        for is_last in (False, True):
            if not path.is_file():
                self._client.download_node(product, (safe.name, MANIFEST_NAME), path)
            try:
                return read_manifest(path)
            except UserError as error:
                path.unlink()
                if is_last:
                    url = self._client.address(product, safe.name, MANIFEST_NAME)
                    raise WrongContentError(url, error.problem, "rerun later") from error
                tell(f"{product.name}: {error.problem}; downloading it once more")
        raise AssertionError("the second round returns or raises")

    def _fetch_node(self, product: Product, safe: Path, file: ManifestFile) -> None:
        target = safe / file.path
        if target.is_file():
            if file_problem(target, file) is None:
                return
            target.unlink()
        nodes = (safe.name, *PurePosixPath(file.path).parts)
        checksums = [] if file.checksum is None else [file.checksum]
        self._client.download_node(product, nodes, target, checksums, file.size_bytes)

    def _fetch_archive(self, product: Product, archive: Path) -> Path:
        url, checksums = self._client.address(product), known_checksums(product.checksums)
        listed = {each.algorithm: each.digits for each in checksums}
        for is_last in (False, True):
            if not archive.is_file():
                # Products that lie unpacked are packed when they are asked for: what the catalogue
                # lists may be of another archive with the same files.
                self._client.download(url, archive, checksums, product.size_bytes, is_binding=False)
            try:
                verified = verify_archive(
                    archive, product.name, size_bytes=product.size_bytes, checksums=listed
                )
            except UserError as error:
                archive.unlink()
                if is_last:
                    raise DamagedProductError(product.name, error.problem, "rerun later") from error
                tell(f"{product.name}: {error.problem}; downloading it once more")
            else:
                tell(f"{product.name}: {verified}")
                return archive
        raise AssertionError("the second round returns or raises")


def _require_own(product: Product, files: tuple[ManifestFile, ...]) -> None:
    """Refuse the manifest of another product: nothing else of it tells whose it is.

    Files of a Sentinel-1 product carry its times, orbit and datatake, as its name does.

    Raises:
        WrongContentError: it belongs to another product.
    """
    try:
        told = parse_name(product.name)
    except ValueError:
        return
    if not isinstance(told, SarName):
        return
    mark = "-".join(product.name.lower().removesuffix("_cog").split("_")[-5:-1])
    other = [file.path for file in files if f"-{mark}-" not in file.path]
    if other:
        raise WrongContentError(
            product.name, f"its manifest is that of another product ({other[0]})", "rerun later"
        )


def account(config: CdseConfig) -> Account:
    """Return where the credentials of the Data Space are looked for."""
    return Account(
        service="Copernicus Data Space",
        user_variable="CDSE_USERNAME",
        password_variable="CDSE_PASSWORD",
        machine=require_web_address(config.token_url).host,
        register_url=REGISTER_URL,
        one_time_variable="CDSE_TOTP",
    )


def _require_online(product: Product) -> None:
    if not product.online:
        raise MissingProductError(
            product.name,
            "the product is offline: it lies in the archive and cannot be downloaded",
            f"order it in the Data Workspace at {REGISTER_URL}, then refresh the inventory",
        )
