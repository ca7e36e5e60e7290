"""``ssl4sar leave-one-out``: train and score once per glacier."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, Subparsers, positive


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "leave-one-out",
        help="train and score once per glacier, each time with it as the test glacier",
        description="Run the workflow once per glacier of a CaFFe tree, with all its images as the "
        "test split and those of the others for training, and put the scores into one table. In "
        "the folder of the project. The same command again resumes; a fold that failed is named, "
        "and the exit status is 1.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config/config.yaml"),
        metavar="FILE",
        help="configuration of the study (default: %(default)s)",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="CaFFe tree, as --config caffe_root=DIR gives it"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=(),
        metavar="NAME",
        help="models to train (default: those behind the results of the configuration)",
    )
    parser.add_argument(
        "--glaciers",
        nargs="+",
        default=(),
        metavar="NAME",
        help="test glaciers of the folds (default: all of the tree)",
    )
    parser.add_argument(
        "--cores",
        type=positive,
        default=2,
        metavar="N",
        help="cores that Snakemake may use (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="table (JSON), with its Markdown beside it (default: results/leave_one_out/NAME.json)",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would run")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.workflow.leave_one_out import LeaveOneOutRequest, leave_one_out

    request = LeaveOneOutRequest(
        options.config,
        options.root,
        options.models,
        options.glaciers,
        options.cores,
        options.out,
        options.dry_run,
    )
    return EXIT_OK if leave_one_out(request) else EXIT_PROBLEMS
