"""What became of a product of the inventories: fetched, or missing for good.

The record of a product holds what its catalogue says, which changes without the product. What reads
a product therefore has its manifest as input, which changes only with its files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field

from ssl4sar.acquire.product import Product
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.record import Record

#: Ends the name of what a rule that reads a product has as input beside the manifest: a mark that
#: the product is in its folder, or the product itself if it is removed after use.
RAW_SUFFIX: Final = ".raw"


class FetchRecord(Record):
    """What became of a product; the file that the workflow tracks.

    Attributes:
        product: the line of the inventory.
        status: fetched, or missing for good.
        polarisations: what is there, or was asked for in vain; copolar only where the product does
            not name its own. None: all that the product has.
        reason: why it is missing.
        path: the product within its folder: NAME.SAFE, NAME.zip, or ``.`` for single images.
        files: size and hash by path below the product's folder.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.product/1"
    NAME: ClassVar[str] = "record of a fetched product"
    FIX: ClassVar[str] = "delete it and rerun"
    KEY: ClassVar[str] = "file_format"

    product: dict[str, Any]
    status: Literal["fetched", "missing"]
    polarisations: tuple[str, ...] | None
    reason: str | None = None
    path: str | None = None
    files: dict[str, FileRecord] = Field(default_factory=dict)

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """Return a record of JSON values.

        Raises:
            ValueError: a value is missing, unknown or wrong, also of the product.
        """
        record = cls.model_validate(values)
        Product.from_row(record.product)
        return record

    @property
    def total_bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.bytes for file in self.files.values())

    @property
    def is_archive(self) -> bool:
        """Whether it is one file, the whole product."""
        return self.path is not None and self.path.endswith(".zip")

    @property
    def is_safe_folder(self) -> bool:
        """Whether it is a folder of single files, each proven by the manifest among them."""
        return self.path is not None and self.path.endswith(".SAFE")

    def holds(self, polarisation: str) -> bool:
        """Return whether the files of a polarisation are there."""
        return self.polarisations is None or polarisation in self.polarisations

    def is_of(self, product: Product) -> bool:
        """Return whether it is a record of this product, whatever its catalogue says of it today.

        The name of a product is its identity: it ends in a checksum, or in the time of processing.
        Catalogues fill in sizes and checksums years later and give new numbers; these count only
        where both sides know them, and never for a folder of single files: they are those of the
        archive, which was not fetched.
        """
        then, now = Product.from_row(self.product), product
        if (then.provider, then.name) != (now.provider, now.name):
            return False
        if self.is_safe_folder:
            return True
        if then.size_bytes and now.size_bytes and then.size_bytes != now.size_bytes:
            return False
        both = then.checksums.keys() & now.checksums.keys()
        return all(then.checksums[each] == now.checksums[each] for each in both)

    def manifest(self) -> ProductManifest:
        """Return what a rule that reads the product depends on."""
        return ProductManifest(
            name=self.product["name"], status=self.status, path=self.path, files=self.files
        )


class ProductManifest(Record):
    """The files of a fetched product: a rule that reads them declares this file as its input.

    Snakemake compares small inputs by content, so that such a rule runs again only when a file of
    the product changed.

    Attributes:
        name: of the product.
        status: fetched, or missing for good.
        path: the product within its folder: NAME.SAFE, NAME.zip, or ``.`` for single images; None
            of a missing one.
        files: size and hash by path below the product's folder.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.product-files/1"
    NAME: ClassVar[str] = "manifest of a fetched product"
    FIX: ClassVar[str] = "delete it and rerun"

    name: str
    status: Literal["fetched", "missing"]
    path: str | None
    files: dict[str, FileRecord]


def fetched_product(manifest: str | Path) -> tuple[Path, dict[Path, FileRecord]]:
    """Return where a product is that a rule has as input by its manifest.

    Args:
        manifest: file ``NAME.manifest.json`` beside the product's folder.

    Returns:
        The product (a folder ``NAME.SAFE``, an archive ``NAME.zip``, or a folder of images), and
        size and hash of each of its files by path.

    Raises:
        UserError: the manifest is missing or damaged, or the product is missing for good.
    """
    found = ProductManifest.read(manifest)
    if found.path is None:
        raise UserError(
            found.name,
            "the product is missing, as its record says",
            "leave it out by acquisition.leave_out, or delete its records to try again",
        )
    folder = Path(manifest).parent / found.name
    raw = folder.with_name(found.name + RAW_SUFFIX)
    folder = raw if raw.is_dir() else folder
    return folder / found.path, {folder / name: file for name, file in found.files.items()}


def unchanged_product(manifest: str | Path) -> Path:
    """Return where a fetched product is, once its files are those that were fetched.

    Args:
        manifest: as for :func:`fetched_product`.

    Raises:
        UserError: as :func:`fetched_product`, or a file is missing or has changed.
    """
    product, files = fetched_product(manifest)
    for path, file in files.items():
        if not path.is_file() or (path.stat().st_size, sha256_file(path)) != (
            file.bytes,
            file.sha256,
        ):
            fix = f"fetch it again with snakemake --forcerun {manifest}"
            raise UserError(path, "it is missing or not the file that was fetched", fix)
    return product
