"""``ssl4sar panels``: draw what a pretraining has learnt so far."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, Subparsers
from ssl4sar.core.printing import print_lines


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "panels",
        help="draw what a pretraining has learnt so far",
        description="Draw SAR image, masked input, predictions after some epochs and true optical "
        "image of some validation tiles, also while the pretraining runs.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="RESUME_DIR",
        help="folder that holds pictures.npz: runs/NAME/resume/pretrain/TASK/seedN",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="figure (default: pictures.png in the folder)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.report.pretext_panels import draw_panels_of

    print_lines([draw_panels_of(options.folder, options.out)])
    return EXIT_OK
