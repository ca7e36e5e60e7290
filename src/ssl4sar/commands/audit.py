"""``ssl4sar audit``: prove where a result came from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, Subparsers
from ssl4sar.core.errors import UserError

_DEFAULT: Final = Path("results/caffe_mde.json")


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "audit",
        help="prove where a result came from",
        description="Follow the records from a result down to what came from outside, hash every "
        "file again, and compare code and configuration with those of today. The exit status is 0 "
        "only if everything holds.",
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help=f"file or folder that the workflow made (default: {_DEFAULT})",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--quick", action="store_true", help="compare the sizes of files instead of their hashes"
    )
    parser.add_argument(
        "--configfile",
        type=Path,
        metavar="FILE",
        help="configuration to compare with (default: the one that the record names)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--diff",
        type=Path,
        nargs=2,
        metavar=("A", "B"),
        help="say why two files differ instead",
    )
    what.add_argument(
        "--crate",
        type=Path,
        metavar="DIR",
        help="also write a Workflow Run RO-Crate of the result, if everything holds",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.workflow.audit_command import AuditRequest, audit, explain_difference

    if options.diff is not None:
        if options.file is not None or options.quick or options.configfile is not None:
            raise UserError(
                "--diff",
                "it compares two results and takes neither FILE, --quick nor --configfile",
                "leave them out",
            )
        one, other = options.diff
        return EXIT_OK if explain_difference(one, other, options.json) else EXIT_PROBLEMS
    request = AuditRequest(
        options.file or _DEFAULT, options.configfile, options.quick, options.json, options.crate
    )
    return EXIT_OK if audit(request) else EXIT_PROBLEMS
