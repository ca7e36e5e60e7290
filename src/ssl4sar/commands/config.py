"""``ssl4sar config``: show a configuration with all its keys."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, Subparsers
from ssl4sar.core.printing import print_lines


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "config",
        help="show a configuration with all its keys",
        description="Print a configuration as a complete file: every key with its value and, as a "
        "comment, its meaning. A starting point for a file of your own.",
    )
    parser.add_argument("what", choices=["show"], help="what to do")
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="configuration (default: the values that a key has where no file names it)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.config.loading import read_config, study_from
    from ssl4sar.config.schema import annotated

    file = options.file
    values = {"name": "my_study"} if file is None else read_config(file)
    print_lines(annotated(study_from(values, file or "the defaults")).splitlines())
    return EXIT_OK
