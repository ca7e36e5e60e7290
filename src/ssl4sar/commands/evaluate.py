"""``ssl4sar evaluate``: score a folder of zone maps of any model."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, Subparsers, add_workers


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
    parser = commands.add_parser(
        "evaluate",
        help="score a folder of zone maps of any model",
        description="Score zone maps (0 NA, 64 rock, 127 glacier, 254 ocean) against CaFFe "
        "labels: mean distance error, segmentation scores, subsets, floor and trivial baselines. "
        "Endings of files count in any case.",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="zone maps NAME.png or NAME_zones.png (or .tif), one per scene",
    )
    parser.add_argument(
        "--zones",
        type=Path,
        required=True,
        metavar="DIR",
        help="labels NAME_zones.png; they say which scenes are scored",
    )
    parser.add_argument(
        "--fronts", type=Path, required=True, metavar="DIR", help="labels NAME_front.png"
    )
    parser.add_argument(
        "--bounding-boxes",
        type=Path,
        required=True,
        metavar="DIR",
        help="boxes NAME_front_extent_coord.txt",
    )
    parser.add_argument(
        "--sar",
        type=Path,
        metavar="DIR",
        help="SAR images NAME.png; they add the Otsu baselines, which are left out without them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="result (JSON); FILE is replaced only on success",
    )
    parser.add_argument(
        "--fronts-out",
        type=Path,
        metavar="DIR",
        help="also write the predicted fronts (0/255), once everything is scored",
    )
    parser.add_argument(
        "--name", metavar="TEXT", help="name of the model in the result (default: the folder's)"
    )
    add_workers(parser, "images scored at the same time")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ssl4sar.evaluate.command import EvaluateRequest, evaluate
    from ssl4sar.evaluate.scoring import LabelFolders

    evaluate(
        EvaluateRequest(
            predictions=options.predictions,
            labels=LabelFolders(options.zones, options.fronts, options.bounding_boxes, options.sar),
            out=options.out,
            name=options.name or options.predictions.resolve().name,
            fronts_out=options.fronts_out,
            workers=options.workers,
            sar=options.sar,
        )
    )
    return EXIT_OK
