"""Made-up products and a provider that serves them from memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.query import MissingProductError, Query, Selection

START = datetime(2020, 3, 4, 5, 6, 7, tzinfo=UTC)


def made_product(number: int = 1, **changes: Any) -> Product:
    """Return a product with a name of its own for each number."""
    start = START + timedelta(days=number)
    stop = start + timedelta(seconds=25)
    name = f"S1A_IW_GRDH_1SDH_{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}_{number:06}_00574F_6D00"
    product = Product(
        provider="memory",
        id=f"id-{number}",
        name=name,
        mission="sentinel-1",
        platform="S1A",
        product_type="IW_GRDH_1S",
        start=start,
        stop=stop,
        mode="IW",
        polarisations=("HH", "HV"),
        size_bytes=1_000,
        checksums={"md5": "0" * 32},
    )
    return replace(product, **changes)


@dataclass
class MemoryProvider:
    """Serves files from memory and counts how often it is asked.

    Attributes:
        files: content by path within the product.
        missing: why the product is missing, if it is.
        failures: errors to raise, one per fetch, before it works.
        plain: whether files lie in the product's folder itself, as single images do.
        archive: whether products are served whole, as NAME.zip with the bytes of all files.
    """

    files: Mapping[str, bytes] = field(default_factory=lambda: {"manifest.safe": b"<xml/>"})
    missing: str | None = None
    failures: list[Exception] = field(default_factory=list)
    plain: bool = False
    archive: bool = False
    fetches: int = 0
    name: str = "memory"
    missions: frozenset[Mission] = frozenset({"sentinel-1", "sentinel-2"})

    def search(self, query: Query) -> Iterator[Product]:
        """Yield nothing."""
        yield from ()

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Write the files, the first one before a failure."""
        self.fetches += 1
        if self.missing:
            raise MissingProductError(product.name, self.missing, "ask the provider")
        if self.archive:
            archive = folder / f"{product.name}.zip"
            archive.write_bytes(b"".join(self.files.values()))
            return archive
        for name, content in self.files.items():
            path = (folder if self.plain else folder / f"{product.name}.SAFE") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if self.failures:
                raise self.failures.pop(0)
        return folder if self.plain else folder / f"{product.name}.SAFE"
