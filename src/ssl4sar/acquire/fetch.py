"""From a line of an inventory to a verified product on disk, or to a record that it is missing.

A product is in ``FOLDER/NAME/``. That folder is not a declared output of a rule: a rerun of the
rule, for a change of code, must not fetch terabytes again. What it holds and what it was made from
is in ``product.json`` within it; if that still fits the line of the inventory and the files are
those, only the record is written again. Unfinished work is in
``FOLDER/.NAME.PROVIDER.POLARISATION.partial/``, where the next try resumes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.acquire.query import MissingProductError, Provider, Selection
from ssl4sar.acquire.safe.files import link_or_copy
from ssl4sar.acquire.stamps import record_untouched, stamp
from ssl4sar.core.errors import UserError
from ssl4sar.core.listing import folder_files
from ssl4sar.core.lock import sole
from ssl4sar.core.progress import log
from ssl4sar.core.wording import counted, size_text

#: What a product was made from and holds, within its folder.
CONTENT_NAME: Final = "product.json"


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
        UserError: what the user can fix: credentials, disk, line; or another process fetches it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    wanted = wanted_polarisation(product, selection)
    lock = target.parent / ".locks" / target.name
    lock.parent.mkdir(exist_ok=True)
    with sole(lock, target, "is fetching this product", remove=True):
        held = _held(product, target)
        if held is not None and held.holds(wanted):
            log(f"{product.name}: reused, its files are those that were fetched")
            return held.model_copy(update={"product": product.as_row()})
        # What another provider or another selection left behind is not part of this one.
        partial = target.with_name(f".{target.name}.{product.provider}.{wanted}.partial")
        partial.mkdir(exist_ok=True)
        try:
            path = provider.fetch(product, partial, selection)
        except MissingProductError as error:
            log(f"{product.name}: missing: {error.problem}")
            shutil.rmtree(partial, ignore_errors=True)
            return FetchRecord(
                product=product.as_row(),
                status="missing",
                polarisations=(wanted,),
                reason=f"{error.problem}; {error.fix}",
            )
        return _finish(product, wanted, partial, path, held, target)


def wanted_polarisation(product: Product, selection: Selection) -> str:
    """Return the polarisation that is meant: HH or VV instead of copolar, where it is known.

    An optical product, which has none, counts as copolar whatever is selected.
    """
    if product.mission == "sentinel-2":
        return "copolar"
    if selection.polarisation != "copolar":
        return selection.polarisation
    return next((each for each in ("HH", "VV") if each in product.polarisations), "copolar")


def _held(product: Product, target: Path) -> FetchRecord | None:
    """Return the record of what is there of a product, whole and unchanged, else None."""
    if product.product_type == SYNTHETIC_TYPE or not (target / CONTENT_NAME).is_file():
        # No catalogue says what a rendered image holds: the code does, and that may have changed.
        return None
    try:
        record = FetchRecord.read(target / CONTENT_NAME)
    except UserError:
        log(f"{product.name}: {CONTENT_NAME} in its folder cannot be used: fetching it again")
        return None
    if not record.is_of(product):
        log(f"{product.name}: the inventory lists another content now: fetching it again")
        return None
    found = record_untouched(target, _stamps(target))
    found.pop(CONTENT_NAME, None)
    if found != record.files:
        log(f"{product.name}: its files have changed since they were fetched: fetching it again")
        return None
    return record


def _finish(
    product: Product,
    wanted: str,
    partial: Path,
    path: Path,
    held: FetchRecord | None,
    target: Path,
) -> FetchRecord:
    """Move a complete product into place, together with what was there of it."""
    # Of a try that was killed between writing it and moving the folder into place.
    (partial / CONTENT_NAME).unlink(missing_ok=True)
    polarisations: tuple[str, ...] | None = (wanted,)
    if path.suffix == ".zip":
        polarisations = None
    elif held is not None and not held.is_archive:
        _add(held, target, partial)
        polarisations = tuple(sorted({wanted, *(held.polarisations or ())}))
    _remove_beside(path, partial)
    files = record_untouched(partial, _stamps(target))
    if not files:
        raise UserError(product.name, "the provider delivered nothing", "choose another provider")
    record = FetchRecord(
        product=product.as_row(),
        status="fetched",
        polarisations=polarisations,
        path=path.relative_to(partial).as_posix(),
        files=files,
    )
    record.write(partial / CONTENT_NAME)
    if target.exists():
        shutil.rmtree(target)
    partial.replace(target)
    stamp(target, _stamps(target), files)  # files that joined have lost their other link
    for other in target.parent.glob(f".{target.name}.*.partial"):
        shutil.rmtree(other, ignore_errors=True)
    size = size_text(record.total_bytes)
    log(f"{product.name}: {counted(len(files), 'file')}, {size}, verified")
    return record


def _add(held: FetchRecord, target: Path, partial: Path) -> None:
    """Put the files of other polarisations beside the new ones."""
    for name in held.files:
        place = partial / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(target / name, place)


def _remove_beside(path: Path, partial: Path) -> None:
    """Remove what is not part of the product: parts of an archive begun before its files came."""
    if path == partial:
        return
    for name in list(folder_files(partial)):
        file = partial / name
        if file != path and path not in file.parents:
            file.unlink()


def _stamps(target: Path) -> Path:
    return target.parent / ".stamps" / f"{target.name}.json"
