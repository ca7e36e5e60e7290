"""What subcommands share: exit statuses and kinds of options."""

from __future__ import annotations

import argparse
from typing import Final, TypeAlias

EXIT_OK: Final = 0
EXIT_PROBLEMS: Final = 1
EXIT_USER_ERROR: Final = 2
EXIT_INTERRUPTED: Final = 130

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_workers(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add the option ``--workers``; ``meaning`` says what is done by that many at a time."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=2,
        metavar="N",
        help=f"{meaning} (default: %(default)s)",
    )


def positive(text: str) -> int:
    """Return the whole number above 0 that an option gives."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number
