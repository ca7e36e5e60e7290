"""What all providers have in common: directions, kinds, strange records, products not found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from ssl4sar.acquire.network.download import NotThereError
from ssl4sar.acquire.product import OrbitDirection, Product
from ssl4sar.acquire.providers.base import MissingProductError
from ssl4sar.core.errors import UserError
from ssl4sar.core.wording import printable

#: What reading a record raises that is not as documented.
FORM_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
_SHOWN_CHARS: Final = 200
#: Of one glacier; ten years of all tiles over the largest are some ten thousand.
MOST_LISTED: Final = 50_000
T = TypeVar("T")


def orbit_direction(text: str | None) -> OrbitDirection | None:
    """Return the direction that a catalogue spells in its own way; None where it tells none."""
    match (text or "").lower():
        case "ascending":
            return "ascending"
        case "descending":
            return "descending"
    return None


def is_kind(product_type: str, wanted: str) -> bool:
    """Return whether a product is of the wanted kind.

    The cloud-optimised twin of a product, whose images are the same, counts as its kind, and each
    beam of a stripmap (S3_GRDH_1S) as stripmap (SM_GRDH_1S).
    """
    kind = product_type.removesuffix("-COG")
    return wanted in {kind, re.sub(r"^S[1-6]_", "SM_", kind)}


def bounded(listed: Iterable[T], subject: str) -> Iterator[T]:
    """Yield what a service lists page by page, but not without end.

    Raises:
        UserError: there are more than `MOST_LISTED`.
    """
    for number, each in enumerate(listed):
        if number == MOST_LISTED:
            raise UserError(
                subject,
                f"it lists more than {MOST_LISTED:,} products for one area, and goes on",
                "ask for a shorter time or a smaller area; if it stays, use another service",
            )
        yield each


@contextmanager
def known_form(subject: str, fix: str) -> Iterator[None]:
    """Turn what is raised when a record of a service becomes a product into one line.

    Args:
        subject: address of the service.
        fix: what to do.

    Raises:
        UserError: a value is missing, or of another form or range.
    """
    try:
        yield
    except FORM_ERRORS as error:
        problem = f"a record of another form: {form_problem(error)}"
        raise UserError(subject, problem, fix) from error


def form_problem(error: Exception) -> str:
    """Return what is wrong with a record, in a short phrase."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return printable(text or type(error).__name__, _SHOWN_CHARS)


def not_found(product: Product, error: NotThereError, *, is_still_listed: bool) -> UserError:
    """Return what to raise where a download service says that a product is not there.

    Services under maintenance say so of all products; what their catalogue still lists is not gone.

    Args:
        product: that was asked for.
        error: what the service said.
        is_still_listed: whether the catalogue lists it today.
    """
    if is_still_listed:
        return UserError(
            product.name,
            "the download service does not find it though the catalogue lists it",
            "rerun later; if it stays, name it in acquisition.leave_out",
        )
    return MissingProductError(
        product.name,
        f"the service does not have it any more ({error.problem})",
        "refresh the inventory",
    )
