"""From a line of an inventory to a verified product on disk, or to a record that it is missing.

A product lies in ``FOLDER/NAME/``. That folder is no declared output of a rule: a rerun of the
rule, for a change of code, must not fetch terabytes again. What it holds and what it was made from
stands in ``product.json`` within it; if that still fits the line of the inventory and every file
still has its hash, only the record is written anew. Unfinished work lies in
``FOLDER/.NAME.PROVIDER.POLARISATION.partial/``, where the next try goes on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.acquire.providers.base import MissingProductError, Provider, Selection
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.listing import record_files
from ssl4sar.core.progress import tell
from ssl4sar.core.wording import counted, size_text

SCHEMA: Final = "ssl4sar.product/1"
#: What a product was made from and holds, within its folder.
CONTENT_NAME: Final = "product.json"
#: What may change in a catalogue while the product stays the same.
_PASSING: Final = frozenset({"online", "urls", "cloud_percent", "footprint"})


@dataclass(frozen=True)
class FetchedFile:
    """Size and hash of one file of a product."""

    bytes: int
    sha256: str


class FetchRecord(BaseModel):
    """What became of a product; the file that the workflow tracks.

    Attributes:
        file_format: name and version of this format.
        product: the line of the inventory.
        polarisation: what was asked for; copolar only where the product does not tell its own.
        status: fetched, or missing for good.
        reason: why it is missing.
        path: the product within its folder: NAME.SAFE, NAME.zip, or ``.`` for single images.
        files: size and hash by path below the product's folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file_format: Literal["ssl4sar.product/1"] = SCHEMA
    product: dict[str, Any]
    polarisation: str
    status: Literal["fetched", "missing"]
    reason: str | None = None
    path: str | None = None
    files: dict[str, FetchedFile] = {}

    @property
    def total_bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.bytes for file in self.files.values())

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> FetchRecord:
        """Read it.

        Raises:
            UserError: the file is missing or holds something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise UserError(path, "the file does not exist", "fetch the product anew") from error
        except ValidationError as error:
            raise UserError(
                path, "this is no record of a fetched product", "delete it and rerun"
            ) from error


def fetch_product(
    product: Product, provider: Provider, target: Path, selection: Selection
) -> FetchRecord:
    """Fetch a product into its folder, or find it there.

    Args:
        product: line of the inventory.
        provider: the service that lists it.
        target: folder of the product, ``FOLDER/NAME``.
        selection: files that are wanted.

    Returns:
        What became of it; ``status`` missing where it will never be there.

    Raises:
        UserError: what the user can mend: credentials, disk, line; or another process fetches it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    wanted = wanted_polarisation(product, selection)
    with _alone(target):
        present = _present(product, target, wanted)
        if present is not None:
            tell(f"{product.name}: is there already, every file has its hash")
            return present
        # What another provider or another selection left behind is no part of this one.
        partial = target.with_name(f".{target.name}.{product.provider}.{wanted}.partial")
        partial.mkdir(exist_ok=True)
        try:
            path = provider.fetch(product, partial, selection)
        except MissingProductError as error:
            tell(f"{product.name}: missing: {error.problem}")
            shutil.rmtree(partial, ignore_errors=True)
            return FetchRecord(
                product=product.as_row(),
                polarisation=wanted,
                status="missing",
                reason=f"{error.problem}; {error.fix}",
            )
        return _finish(product, wanted, partial, path, target)


def wanted_polarisation(product: Product, selection: Selection) -> str:
    """Return the polarisation that is meant: HH or VV instead of copolar, where it is known."""
    if selection.polarisation != "copolar":
        return selection.polarisation
    return next((each for each in ("HH", "VV") if each in product.polarisations), "copolar")


def _finish(product: Product, wanted: str, partial: Path, path: Path, target: Path) -> FetchRecord:
    """Move a complete product into place."""
    files = {
        name: FetchedFile(**asdict(file))
        for name, file in record_files(partial).items()
        if name != CONTENT_NAME
    }
    if not files:
        raise UserError(product.name, "the provider delivered nothing", "choose another provider")
    record = FetchRecord(
        product=product.as_row(),
        polarisation=wanted,
        status="fetched",
        path=path.relative_to(partial).as_posix(),
        files=files,
    )
    record.write(partial / CONTENT_NAME)
    if target.exists():
        shutil.rmtree(target)
    partial.replace(target)
    size = size_text(record.total_bytes)
    tell(f"{product.name}: {counted(len(files), 'file')}, {size}, verified")
    return record


def _present(product: Product, target: Path, wanted: str) -> FetchRecord | None:
    """Return the record of a product that is there whole and unchanged, else None."""
    if product.product_type == SYNTHETIC_TYPE or not (target / CONTENT_NAME).is_file():
        # No catalogue says what a rendered image holds: the code does, and that may have changed.
        return None
    try:
        record = FetchRecord.read(target / CONTENT_NAME)
    except UserError:
        return None
    same = _lasting(record.product) == _lasting(product.as_row()) and record.polarisation == wanted
    if not same:
        tell(f"{product.name}: the inventory lists another content now: fetching it anew")
        return None
    found = {name: asdict(file) for name, file in record_files(target).items()}
    found.pop(CONTENT_NAME, None)
    if found != {name: asdict(file) for name, file in record.files.items()}:
        tell(f"{product.name}: its files have changed since they were fetched: fetching it anew")
        return None
    return record.model_copy(update={"product": product.as_row()})


def _lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _PASSING}


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Let one process at a time fetch a product."""
    lock = target.parent / ".locks" / target.name
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise UserError(
                    target,
                    "another process is fetching this product",
                    "wait for it, or end it and rerun",
                ) from error
            # Some network file systems know no locks; the fetch itself works there.
            tell(f"{target.name}: the folder cannot be locked ({os.strerror(error.errno or 0)})")
        yield
