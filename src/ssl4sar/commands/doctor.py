"""``ssl4sar doctor``: list what this installation can use."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, Subparsers


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "doctor",
        help="list what this installation can use to acquire scenes",
        description="List every backend with its version, or the reason why it is missing and "
        "what helps. The exit status is 0 if all is there that the configuration needs.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration that says what is needed (default: config/config.yaml)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.acquire.doctor import doctor

    return EXIT_OK if doctor(options.config, as_json=options.json) else EXIT_PROBLEMS
