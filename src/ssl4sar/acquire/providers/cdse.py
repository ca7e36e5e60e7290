"""Sentinel products from the Copernicus Data Space Ecosystem (CDSE).

The catalogue is open; downloads want a free account. Of a product only the files are fetched that
the study reads (OData Nodes), which halves the bytes of a dual-polarised scene.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

from ssl4sar.acquire.catalogue.product_name import SarName, parse_name
from ssl4sar.acquire.network.access import Access
from ssl4sar.acquire.network.credentials import Account, find_credentials
from ssl4sar.acquire.network.download import DownloadRecord, download
from ssl4sar.acquire.network.patience import FOR_PRODUCTS, Patience
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.network.token import TokenSource
from ssl4sar.acquire.network.transfer import NotThereError, WrongContentError
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.catalogue_access import (
    GONE_STATUS,
    CatalogueAccess,
    RefusedError,
)
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
    verify_product,
)
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum, can_compute
from ssl4sar.core.progress import tell

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
        self._patience = patience or FOR_PRODUCTS
        self._account = account(config)
        self.tokens = TokenSource(config.token_url, self._account, config.client_id)
        self._lock = threading.Lock()
        self._access: Access | None = None

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
        with self._told_as_missing(product):
            if not self._config.whole_products:
                safe = self._fetch_files(product, folder / f"{product.name}.SAFE", selection)
                if safe is not None:
                    return safe
                tell(f"{product.name}: single files are not served: fetching the whole product")
            return self._fetch_archive(product, folder / f"{product.name}.zip")

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
            return self._download(self._address(product), target, checksums, product.size_bytes)

    @contextmanager
    def _told_as_missing(self, product: Product) -> Iterator[None]:
        """Turn what asking again cannot mend into the error that says so."""
        try:
            yield
        except NotThereError as error:
            listed = self._is_still_listed(product)
            raise not_found(product, error, is_still_listed=listed) from error
        except (WrongContentError, DamagedProductError) as error:
            raise MissingProductError(
                product.name,
                f"what the service delivers is damaged: {error.problem}",
                "tell the service's help desk, or leave it out",
            ) from error

    def _is_still_listed(self, product: Product) -> bool:
        """Ask the catalogue.

        Raises:
            UserError: the catalogue cannot tell.
        """
        catalogue = CatalogueAccess(
            self._config.catalogue_url,
            **asdict(self._patience),
        )
        try:
            record = catalogue.json(f"{catalogue.url}/Products({quote(product.id, safe='')})")
        except RefusedError as error:
            if error.status in GONE_STATUS:
                return False
            raise
        return record.get("Online") is not False

    def _address(self, product: Product, *nodes: str) -> str:
        steps = [f"Products({quote(product.id, safe='')})"]
        steps += [f"Nodes({quote(node, safe='')})" for node in nodes]
        return f"{self._config.download_url.rstrip('/')}/{'/'.join(steps)}/$value"

    def _download(
        self, url: str, target: Path, checksums: list[Checksum], size_bytes: int | None
    ) -> DownloadRecord:
        return download(
            url,
            target,
            checksums,
            access=self._open_access(),
            size_bytes=size_bytes,
            **asdict(self._patience),
        )

    def _open_access(self) -> Access:
        with self._lock:
            if self._access is None:
                # The service counts connections by account, so it must be known before the first.
                user = find_credentials(self._account).user
                slots = Slots(f"{self._account.machine} {user}", self._config.connections)
                self._access = Access(self._config.hosts, self.tokens, slots)
            return self._access

    def _fetch_files(self, product: Product, safe: Path, selection: Selection) -> Path | None:
        """Fetch the needed files; None where the service does not serve single files of it."""
        files = self._manifest(product, safe)
        if files is None:
            return None
        try:
            served = self._fetch_needed(product, safe, files, selection)
        except (WrongContentError, NotThereError, MissingProductError):
            # Nothing but the manifest itself says what it must hold: it may be the one at fault.
            manifest = safe / MANIFEST_NAME
            before = manifest.read_bytes()
            manifest.unlink()
            files = self._manifest(product, safe)
            if files is None or manifest.read_bytes() == before:
                raise
            tell(f"{product.name}: the manifest was damaged")
            served = self._fetch_needed(product, safe, files, selection)
        if served:
            return safe
        shutil.rmtree(safe)
        return None

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

    def _manifest(self, product: Product, safe: Path) -> tuple[ManifestFile, ...] | None:
        path = safe / MANIFEST_NAME
        url = self._address(product, safe.name, MANIFEST_NAME)
        for is_last in (False, True):
            if not path.is_file():
                try:
                    self._download(url, path, [], None)
                except NotThereError:
                    return None
            try:
                return read_manifest(path)
            except UserError as error:
                path.unlink()
                if is_last:
                    raise WrongContentError(url, error.problem, "rerun later") from error
                tell(f"{product.name}: {error.problem}; downloading it once more")
        raise AssertionError("the second round returns or raises")

    def _fetch_node(self, product: Product, safe: Path, file: ManifestFile) -> None:
        target = safe / file.path
        if target.is_file():
            if file_problem(target, file) is None:
                return
            target.unlink()
        url = self._address(product, safe.name, *PurePosixPath(file.path).parts)
        checksums = [] if file.checksum is None else [file.checksum]
        self._download(url, target, checksums, file.size_bytes)

    def _fetch_archive(self, product: Product, archive: Path) -> Path:
        checksums = known_checksums(product.checksums)
        listed = {each.algorithm: each.digits for each in checksums}
        for is_last in (False, True):
            is_new = not archive.is_file()
            if is_new:
                self._download(self._address(product), archive, checksums, product.size_bytes)
            try:
                # A new one has just been compared with the catalogue.
                verified = verify_product(
                    archive,
                    size_bytes=None if is_new else product.size_bytes,
                    checksums={} if is_new else listed,
                )
            except UserError as error:
                archive.unlink()
                if is_last:
                    raise DamagedProductError(product.name, error.problem, "rerun later") from error
                tell(f"{product.name}: {error.problem}; downloading it once more")
            else:
                known = ", ".join(listed) or "no checksum in the catalogue"
                tell(f"{product.name}: {known}; {verified}")
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
        machine=urlsplit(config.token_url).hostname or "",
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
