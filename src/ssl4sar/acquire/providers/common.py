"""What providers of services have in common: bounds, errors in one line, products not found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import requests

from ssl4sar.acquire.catalogue.record import FORM_ERRORS
from ssl4sar.acquire.network.download import NotThereError, WrongContentError
from ssl4sar.acquire.network.exchange import asking_problem
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.query import MissingProductError
from ssl4sar.acquire.safe.verification import DamagedProductError
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log

BOTH_MISSIONS: Final[frozenset[Mission]] = frozenset({"sentinel-1", "sentinel-2"})
#: Of one glacier; ten years of all tiles over the largest are some ten thousand.
MOST_LISTED: Final = 50_000
_SHOWN_CHARS: Final = 300
T = TypeVar("T")


def bounded(listed: Iterable[T], subject: str) -> Iterator[T]:
    """Yield what a service lists page by page, but not without end.

    Raises:
        UserError: there are more than `MOST_LISTED`.
    """
    for number, each in enumerate(listed):
        if number == MOST_LISTED:
            raise UserError(
                subject,
                f"it lists more than {MOST_LISTED:,} products for one area, and more follow",
                "ask for a shorter time or a smaller area; if it stays, use another service",
            )
        yield each


@contextmanager
def library_errors(
    subject: str,
    kind: str,
    key: str,
    errors: tuple[type[Exception], ...],
    shown: Callable[[str], str] = str,
) -> Iterator[None]:
    """Turn what a library raises about answers and the line into one line.

    Args:
        subject: address of the service.
        kind: what it should be, e.g. "a STAC API".
        key: key of the configuration that holds the address.
        errors: the library's own; what it raises as it takes forms for granted is added.
        shown: makes a message fit to be shown.

    Raises:
        UserError: the service refuses, answers nonsense or cannot be reached.
    """
    caught: tuple[type[Exception], ...]
    caught = (requests.RequestException, *FORM_ERRORS, NotImplementedError, *errors)
    try:
        yield
    except caught as error:
        # Libraries hide failures of the line within their own.
        line = error if isinstance(error, requests.RequestException) else error.__context__
        is_answer = isinstance(line, requests.HTTPError)
        if isinstance(line, requests.RequestException) and not is_answer:
            fix = f"check {key} and the line, and rerun"
            raise UserError(subject, asking_problem(line), fix) from None
        message = str(error) if isinstance(error, errors) else f"{type(error).__name__}: {error}"
        problem = " ".join(shown(message).split())[:_SHOWN_CHARS]
        raise UserError(
            subject, f"it does not answer as {kind} should ({problem})", f"check {key} and rerun"
        ) from None


@contextmanager
def final_failures(
    product: Product, is_still_listed: Callable[[Product], bool], fix: str
) -> Iterator[None]:
    """Turn what asking again cannot fix into the error that says so.

    Services under maintenance do not find any product; what their catalogue lists is not gone.

    Args:
        product: that is fetched.
        is_still_listed: whether the catalogue lists it today.
        fix: what to do about content that stays damaged.

    Raises:
        MissingProductError: it is gone or damaged at its source.
        UserError: the service does not find what its catalogue lists.
    """
    try:
        yield
    except NotThereError as error:
        if is_still_listed(product):
            raise UserError(
                product.name,
                "the download service does not find it though the catalogue lists it",
                "rerun later; if it stays, name it in acquisition.leave_out",
            ) from error
        raise MissingProductError(
            product.name,
            f"the service does not have it any more ({error.problem})",
            "refresh the inventory",
        ) from error
    except (WrongContentError, DamagedProductError) as error:
        raise MissingProductError(
            product.name, f"what the service delivers is damaged: {error.problem}", fix
        ) from error


def usable(name: str, path: Path, fetch: Callable[[], None], read: Callable[[], T]) -> T:
    """Return what a file holds; one that cannot be used is downloaded once more.

    Args:
        name: what is downloaded, for people.
        path: the file.
        fetch: downloads it.
        read: returns its content, or raises an error of the user that says what is wrong.

    Raises:
        DamagedProductError: it cannot be used then either.
    """
    for is_last in (False, True):
        if not path.is_file():
            fetch()
        try:
            return read()
        except UserError as error:
            path.unlink()
            if is_last:
                raise DamagedProductError(name, error.problem, "rerun later") from error
            log(f"{name}: {error.problem}; downloading it once more")
    raise AssertionError("the second round returns or raises")
