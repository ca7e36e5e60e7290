"""Downloads from the Copernicus Data Space Ecosystem: addresses, account, 404s that pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ssl4sar.acquire.network.access import Access
from ssl4sar.acquire.network.credentials import Account, find_credentials
from ssl4sar.acquire.network.download import DownloadRecord, NotThereError, download
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.network.token import TokenSource
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.catalogue_access import (
    GONE_STATUS,
    CatalogueAccess,
    RefusedError,
)
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.progress import tell
from ssl4sar.core.retry import Patience

#: Tries of a file that is not there though the catalogue lists its product: 15 s of waits.
_TRIES_OF_NODE: Final = 5


class CdseClient:
    """What the service is asked for one product after the other.

    Args:
        config: addresses and limits.
        account: whose connections are used.
        patience: of downloads.

    Attributes:
        tokens: where tokens come from; counts the logins.
    """

    def __init__(self, config: CdseConfig, account: Account, patience: Patience) -> None:
        self.tokens = TokenSource(config.token_url, account, config.client_id)
        self._config = config
        self._account = account
        self._patience = patience
        self._lock = threading.Lock()
        self._access: Access | None = None

    def is_still_listed(self, product: Product) -> bool:
        """Return whether the catalogue lists a product as online today.

        Raises:
            UserError: the catalogue cannot tell.
        """
        catalogue = CatalogueAccess(self._config.catalogue_url, **asdict(self._patience))
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

    def download(
        self,
        url: str,
        target: Path,
        checksums: Sequence[Checksum] = (),
        size_bytes: int | None = None,
        *,
        is_binding: bool = True,
    ) -> DownloadRecord:
        """Download with the account; as :func:`ssl4sar.acquire.network.download.download`."""
        return download(
            url,
            target,
            checksums,
            access=self._open_access(),
            size_bytes=size_bytes,
            is_binding=is_binding,
            **asdict(self._patience),
        )

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
            UserError: as for `download`, or the catalogue cannot tell.
        """
        url = self.address(product, *nodes)
        is_listed = False
        for failures in count(1):
            try:
                self.download(url, target, checksums, size_bytes)
            except NotThereError as error:
                is_listed = is_listed or self.is_still_listed(product)
                if failures == _TRIES_OF_NODE or not is_listed:
                    raise
                wait_s = self._patience.wait_s(failures, None)
                tell(
                    f"{target.name}: {error.problem} though the catalogue lists the product; "
                    f"next try in {wait_s:.0f} s"
                )
                time.sleep(wait_s)
            else:
                return

    def _open_access(self) -> Access:
        with self._lock:
            if self._access is None:
                # The service counts connections by account, so it must be known before the first.
                user = find_credentials(self._account).user
                slots = Slots(f"{self._account.machine} {user}", self._config.connections)
                self._access = Access(self._config.hosts, self.tokens, slots)
            return self._access
