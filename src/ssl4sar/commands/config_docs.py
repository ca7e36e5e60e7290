"""``ssl4sar config-docs``: write the schema and the key tables of the configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, Subparsers
from ssl4sar.core.printing import print_lines


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "config-docs",
        help="write the schema and the key tables of the configuration",
        description="Write schema.json and the tables of README.md from the configuration models.",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("config"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a file is out of date"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.config.schema import write_docs

    outdated = write_docs(options.folder, check=options.check)
    for path in outdated:
        print_lines([f"{path} {'is out of date' if options.check else 'written'}"])
    return EXIT_PROBLEMS if options.check and outdated else EXIT_OK
