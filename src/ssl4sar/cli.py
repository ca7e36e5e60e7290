"""The command ``ssl4sar``; each subcommand imports only what it needs, when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ssl4sar.commands import (
    audit,
    config,
    config_docs,
    doctor,
    evaluate,
    leave_one_out,
    panels,
    sar,
    validate,
)
from ssl4sar.commands.common import EXIT_INTERRUPTED, EXIT_USER_ERROR
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines
from ssl4sar.version import VERSION

#: In the order of the help.
_COMMANDS = (evaluate, validate, leave_one_out, audit, panels, doctor, sar, config, config_docs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program name; that of the process by default.

    Returns:
        0 for success, 1 where ``validate``, ``audit``, ``doctor`` or ``sar check`` found problems
        or a fold of ``leave-one-out`` failed, 2 for a mistake of the user, in one line, 130 after
        Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except UserError as error:
        _print_error(error)
        return EXIT_USER_ERROR
    except OSError as error:
        subject = error.filename2 or error.filename or "input or output"
        problem = error.strerror or str(error) or type(error).__name__
        found = UserError(str(subject), problem, "check the path, its permissions and its disk")
        _print_error(found)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        _print_error("interrupted; files written so far are complete")
        return EXIT_INTERRUPTED
    return code


def _print_error(error: object) -> None:
    # One error is one line, whatever a library put into its message.
    print_lines([" ".join(f"ssl4sar: error: {error}".split())], sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssl4sar", description="Calving fronts from SAR images, by the rules of CaFFe."
    )
    parser.add_argument("--version", action="version", version=f"ssl4sar {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
