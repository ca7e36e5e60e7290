"""``ssl4sar validate``: list every problem of a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, Subparsers, add_workers
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines

if TYPE_CHECKING:
    from ssl4sar.dataset.pair_report import PairReport
    from ssl4sar.dataset.validation import ValidationReport


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "validate",
        help="list every problem of a dataset",
        description="Check a CaFFe tree (names, files, folders, sizes, grey values, boxes, zones "
        "against fronts) or a "
        "dataset for the pretraining (pairs, grids, bands, glaciers of the test set).",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "tree",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="folder that holds sar_images, zones, fronts, ..., or one above it",
    )
    what.add_argument(
        "--pairs",
        type=Path,
        metavar="DIR",
        help="instead: folder that holds unlabeled_data_raw_train, unlabeled_data_raw_val and "
        "data_optical; a dataset.json in it is compared with the files",
    )
    parser.add_argument(
        "--allow-test-glaciers",
        action="store_true",
        help="with --pairs: check the glaciers of the test set, too, instead of leaving them out",
    )
    parser.add_argument(
        "--leave-out",
        nargs="+",
        default=(),
        metavar="NAME",
        help="with --pairs: images that are not used, as in ssl4sar.leave_out",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the report as JSON")
    add_workers(parser, "images or scenes checked at the same time")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    report = _checked_tree(options) if options.pairs is None else _checked_pairs(options)
    if options.out is not None:
        report.write(options.out)
    print_lines(report.as_text().splitlines())
    return EXIT_PROBLEMS if report.errors else EXIT_OK


def _checked_tree(options: argparse.Namespace) -> ValidationReport:
    from ssl4sar.acquire.caffe import find_caffe_root
    from ssl4sar.dataset.validation import validate_tree

    for option in ("allow_test_glaciers", "leave_out"):
        if getattr(options, option):
            name = f"--{option.replace('_', '-')}"
            raise UserError(name, "it belongs to --pairs", "use it with a folder of pairs")
    return validate_tree(find_caffe_root(options.tree), options.workers)


def _checked_pairs(options: argparse.Namespace) -> PairReport:
    from ssl4sar.config.ssl4sar_data import Ssl4sarDataConfig
    from ssl4sar.core.pair_layout import MANIFEST_NAME
    from ssl4sar.dataset.pair_selection import PairRules
    from ssl4sar.dataset.pair_validation import validate_pairs

    rules = PairRules(
        "built" if (options.pairs / MANIFEST_NAME).is_file() else "local",
        Ssl4sarDataConfig().test_glaciers,
        options.allow_test_glaciers,
        tuple(options.leave_out),
    )
    return validate_pairs(options.pairs, rules, options.workers)
