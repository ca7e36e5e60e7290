"""Sentinel products from the Copernicus Data Space Ecosystem (CDSE).

The catalogue is open; downloads want a free account. Of a product only the files are fetched that
the study reads (OData Nodes), which halves the bytes of a dual-polarised scene.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final, Self
from urllib.parse import quote

from ssl4sar.acquire.network.access import Access, require_web_address
from ssl4sar.acquire.network.credentials import Account, find_credentials
from ssl4sar.acquire.network.download import (
    DownloadRecord,
    NotThereError,
    WrongContentError,
    download,
)
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.network.token import TokenSource
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.catalogue_access import GONE_STATUS, CatalogueAccess, RefusedError
from ssl4sar.acquire.providers.common import BOTH_MISSIONS, final_failures, usable
from ssl4sar.acquire.providers.odata import ODataCatalogue
from ssl4sar.acquire.query import MissingProductError, Query, Selection
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
from ssl4sar.config.services import CdseConfig, Services
from ssl4sar.core.hashing import Checksum, can_compute
from ssl4sar.core.progress import log
from ssl4sar.core.retry import FOR_PRODUCTS, Patience

REGISTER_URL: Final = "https://dataspace.copernicus.eu"
#: Tries of a file that is not there though the catalogue lists its product: 15 s of waits.
_TRIES_OF_NODE: Final = 5


class Cdse:
    """The Copernicus Data Space Ecosystem as a provider.

    Args:
        config: addresses and limits.
        patience: of downloads.

    Attributes:
        tokens: where tokens come from; counts the logins.
    """

    name: Final = "cdse"
    missions: Final[frozenset[Mission]] = BOTH_MISSIONS
    library: ClassVar[str | None] = None

    def __init__(self, config: CdseConfig, *, patience: Patience = FOR_PRODUCTS) -> None:
        self._config = config
        self._patience = patience
        self._account = account(config)
        self.tokens = TokenSource(config.token_url, self._account, config.client_id)
        self._lock = threading.Lock()
        self._access: Access | None = None

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return the service of a configuration."""
        return cls(services.cdse)

    @classmethod
    def account(cls, services: Services) -> Account:
        """Return the account of the Data Space."""
        return account(services.cdse)

    def search(self, query: Query) -> Iterator[Product]:
        """Yield all products that match, each once."""
        config = self._config
        catalogue = ODataCatalogue(config.catalogue_url, config.page_size, config.max_skip)
        return catalogue.products(query)

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Fetch the folder ``NAME.SAFE`` with the needed files, or the archive ``NAME.zip``.

        All of it is fetched, as one archive, where it is asked for, and where the service does not
        deliver a needed file by itself or nothing could say whether it is right. Every file agrees
        with the manifest.
        """
        _require_online(product)
        folder.mkdir(parents=True, exist_ok=True)
        safe = folder / f"{product.name}.SAFE"
        with self._final_failures(product):
            if not self._config.whole_products:
                if self._fetch_files(product, safe, selection):
                    return safe
                log(f"{product.name}: single files are unavailable: fetching the whole product")
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
        with self._final_failures(product):
            checksums = known_checksums(product.checksums)
            return self._download(self.address(product), target, checksums, product.size_bytes)

    def is_still_listed(self, product: Product) -> bool:
        """Return whether the catalogue lists a product as online today.

        Raises:
            UserError: the catalogue cannot say.
        """
        catalogue = CatalogueAccess(self._config.catalogue_url, self._patience)
        try:
            record = catalogue.json(f"{catalogue.url}/Products({quote(product.id, safe='')})")
        except RefusedError as error:
            if error.status in GONE_STATUS:
                return False
            raise
        return record.get("Online") is not False

    def address(self, product: Product, *nodes: str) -> str:
        """Return the address of a product, or of a file in it.

        Args:
            product: a product of the catalogue.
            nodes: steps of the path to the file, beginning with the folder of the product.
        """
        steps = [f"Products({quote(product.id, safe='')})"]
        steps += [f"Nodes({quote(node, safe='')})" for node in nodes]
        return f"{self._config.download_url.rstrip('/')}/{'/'.join(steps)}/$value"

    def download_node(
        self,
        product: Product,
        nodes: Sequence[str],
        target: Path,
        checksums: Sequence[Checksum] = (),
        size_bytes: int | None = None,
    ) -> None:
        """Download a file of a product, patient with a service that now and then answers 404.

        Raises:
            NotThereError: there is no such file, or the catalogue does not list the product.
            UserError: the download fails otherwise, or the catalogue cannot say.
        """
        is_listed = False
        for failures in count(1):
            try:
                self._download(self.address(product, *nodes), target, checksums, size_bytes)
            except NotThereError as error:
                is_listed = is_listed or self.is_still_listed(product)
                if failures == _TRIES_OF_NODE or not is_listed:
                    raise
                wait_s = self._patience.wait_s(failures, None)
                log(
                    f"{target.name}: {error.problem} though the catalogue lists the product; "
                    f"next try in {wait_s:.0f} s"
                )
                time.sleep(wait_s)
            else:
                return

    def _download(
        self,
        url: str,
        target: Path,
        checksums: Sequence[Checksum],
        size_bytes: int | None,
        *,
        is_binding: bool = True,
    ) -> DownloadRecord:
        return download(
            url,
            target,
            checksums,
            access=self._open_access(),
            size_bytes=size_bytes,
            is_binding=is_binding,
            patience=self._patience,
        )

    def _open_access(self) -> Access:
        with self._lock:
            if self._access is None:
                # The service counts connections by account, so it must be known before the first.
                user = find_credentials(self._account).user
                slots = Slots(f"{self._account.machine} {user}", self._config.connections)
                self._access = Access(self._config.hosts, self.tokens, slots)
            return self._access

    def _final_failures(self, product: Product) -> AbstractContextManager[None]:
        fix = "report it to the service's help desk, or leave it out"
        return final_failures(product, self.is_still_listed, fix)

    def _fetch_files(self, product: Product, safe: Path, selection: Selection) -> bool:
        """Fetch the needed files; False where they are unavailable one by one."""
        manifest = safe / MANIFEST_NAME
        try:
            files = self._manifest(product, safe)
            try:
                return self._fetch_needed(product, safe, files, selection)
            except WrongContentError:
                # Nothing but the manifest itself says what it must hold: it may be at fault.
                before = manifest.read_bytes()
                manifest.unlink()
                files = self._manifest(product, safe)
                if manifest.read_bytes() == before:
                    raise
                return self._fetch_needed(product, safe, files, selection)
        except NotThereError:
            return False

    def _fetch_needed(
        self, product: Product, safe: Path, files: tuple[ManifestFile, ...], selection: Selection
    ) -> bool:
        """Fetch the needed files; False where the manifest cannot say whether they are right."""
        needed = needed_files(files, product.mission, selection, product.name)
        if not all(file.checksum and can_compute(file.checksum.algorithm) for file in needed):
            log(f"{product.name}: its manifest has no checksums that can be compared")
            return False
        total_mb = sum(file.size_bytes or 0 for file in needed) / 1e6
        log(f"{product.name}: {len(needed)} of {len(files)} files are needed, {total_mb:.1f} MB")
        for file in needed:
            target = safe / file.path
            if target.is_file():
                if file_problem(target, file) is None:
                    continue
                target.unlink()
            nodes = (safe.name, *PurePosixPath(file.path).parts)
            checksums = [] if file.checksum is None else [file.checksum]
            self.download_node(product, nodes, target, checksums, file.size_bytes)
        log(f"{product.name}: {len(needed)} files agree with the manifest")
        return True

    def _manifest(self, product: Product, safe: Path) -> tuple[ManifestFile, ...]:
        path = safe / MANIFEST_NAME

        def fetch() -> None:
            self.download_node(product, (safe.name, MANIFEST_NAME), path)

        try:
            return usable(product.name, path, fetch, lambda: read_manifest(path))
        except DamagedProductError as error:
            url = self.address(product, safe.name, MANIFEST_NAME)
            raise WrongContentError(url, error.problem, error.fix) from error

    def _fetch_archive(self, product: Product, archive: Path) -> Path:
        checksums = known_checksums(product.checksums)

        def fetch() -> None:
            # Products that are stored unpacked are packed when they are asked for: what the
            # catalogue lists may be of another archive with the same files.
            size, url = product.size_bytes, self.address(product)
            self._download(url, archive, checksums, size, is_binding=False)

        verified = usable(
            product.name,
            archive,
            fetch,
            lambda: verify_product(
                archive,
                repacked=product.name,
                size_bytes=product.size_bytes,
                checksums={each.algorithm: each.digits for each in checksums},
            ),
        )
        log(f"{product.name}: {verified}")
        return archive


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
            "the product is offline: it is in the archive and cannot be downloaded",
            f"order it in the Data Workspace at {REGISTER_URL}, then refresh the inventory",
        )
