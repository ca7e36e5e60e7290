"""The command ``ssl4sar``; each subcommand imports only what it needs, when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines
from ssl4sar.version import VERSION

if TYPE_CHECKING:
    from ssl4sar.dataset.pair_report import PairReport
    from ssl4sar.dataset.validation import ValidationReport

_RESULT = Path("results/caffe_mde.json")
EXIT_OK = 0
EXIT_PROBLEMS = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


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
    _add_evaluate(commands)
    _add_validate(commands)
    _add_leave_one_out(commands)
    _add_audit(commands)
    _add_panels(commands)
    _add_doctor(commands)
    _add_sar(commands)
    _add_config(commands)
    _add_config_docs(commands)
    return parser


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    _add_workers(parser, "images scored at the same time")
    parser.set_defaults(run=_evaluate)


def _add_workers(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument(
        "--workers",
        type=_positive,
        default=2,
        metavar="N",
        help=f"{meaning} (default: %(default)s)",
    )


def _evaluate(options: argparse.Namespace) -> int:
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


def _add_validate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    _add_workers(parser, "images or scenes checked at the same time")
    parser.set_defaults(run=_validate)


def _validate(options: argparse.Namespace) -> int:
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


def _add_leave_one_out(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        type=_positive,
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
    parser.set_defaults(run=_leave_one_out)


def _leave_one_out(options: argparse.Namespace) -> int:
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


def _add_audit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        help=f"file or folder that the workflow made (default: {_RESULT})",
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
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
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
        options.file or _RESULT, options.configfile, options.quick, options.json, options.crate
    )
    return EXIT_OK if audit(request) else EXIT_PROBLEMS


def _add_panels(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=_panels)


def _panels(options: argparse.Namespace) -> int:
    from ssl4sar.report.pretext_panels import draw_panels_of

    print_lines([draw_panels_of(options.folder, options.out)])
    return EXIT_OK


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from ssl4sar.acquire.doctor import doctor

    return EXIT_OK if doctor(options.config, as_json=options.json) else EXIT_PROBLEMS


def _add_sar(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "sar",
        help="check, geocode or compare products of Sentinel-1",
        description="Work with products of Sentinel-1 outside of the workflow.",
    )
    steps = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = steps.add_parser(
        "check",
        help="compare the geometry of a GRD product with its own geolocation grid",
        description="Send the geolocation grid of a GRD product through the solver that geocodes "
        "it, and show the largest errors, the noise, orbit and border, and what is missing. The "
        "exit status is 1 if an error is beyond its limit.",
    )
    check.add_argument(
        "product", type=Path, metavar="PRODUCT", help="folder NAME.SAFE, or a zip that holds one"
    )
    check.add_argument("--json", action="store_true", help="print everything as JSON")
    check.set_defaults(run=_check_product)
    _add_process(steps)
    compare = steps.add_parser(
        "compare",
        help="compare two geocoded images on one grid",
        description="Show how a second image of backscatter differs from a first one: bias, RMS "
        "and percentiles in decibels, pixels that only one has, and the shift.",
    )
    compare.add_argument("first", type=Path, metavar="A", help="image of sar process or of a stack")
    compare.add_argument("second", type=Path, metavar="B", help="another one on the same grid")
    compare.add_argument("--json", action="store_true", help="print everything as JSON")
    compare.set_defaults(run=_compare_images)


def _compare_images(options: argparse.Namespace) -> int:
    import json

    from ssl4sar.stack.compare import compare_images

    found = compare_images(options.first, options.second)
    print_lines([json.dumps(found.to_json(), indent=1)] if options.json else found.lines())
    return EXIT_OK


def _check_product(options: argparse.Namespace) -> int:
    from ssl4sar.sar.check import check_product, print_check

    found = check_product(options.product)
    print_check(found, as_json=options.json)
    return EXIT_OK if found.within_limits else EXIT_PROBLEMS


def _add_process(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser(
        "process",
        help="make a calibrated, geocoded image of a GRD product",
        description="Calibrate a GRD product, remove its thermal noise, and put it on a map with "
        "an elevation model; without the workflow.",
    )
    parser.add_argument(
        "product", type=Path, metavar="PRODUCT", help="folder NAME.SAFE, or a zip that holds one"
    )
    _add_elevation(parser)
    _add_area(parser)
    parser.add_argument(
        "--polarisation",
        choices=["HH", "HV", "VV", "VH"],
        help="default: the copolar one of the product",
    )
    parser.add_argument(
        "--quantity",
        choices=["sigma0", "beta0", "gamma0", "gamma0_rtc"],
        default="sigma0",
        help="backscatter coefficient; gamma0_rtc is gamma0 with terrain flattening (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--keep-noise",
        action="store_true",
        help="do not subtract thermal noise; its file is read all the same, for the border",
    )
    parser.add_argument(
        "--orbit", type=Path, metavar="FILE", help="orbit file (EOF) in place of the product's"
    )
    _add_engine(parser)
    _add_workers(parser, "blocks of rows made at the same time")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="image (cloud-optimised GeoTIFF)"
    )
    parser.add_argument(
        "--terrain-out",
        type=Path,
        metavar="FILE",
        help="also write local incidence angle, layover and shadow (GeoTIFF)",
    )
    parser.set_defaults(run=_process)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=["builtin", "pyrosar"],
        default="builtin",
        help="what makes the image; pyrosar: ESA SNAP, to be installed (default: %(default)s)",
    )
    parser.add_argument(
        "--snap-timeout",
        type=_positive,
        default=60,
        metavar="MINUTES",
        help="time after which SNAP is killed (default: %(default)s)",
    )


def _add_elevation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dem", type=Path, required=True, metavar="FILE", help="elevation model (GeoTIFF)"
    )
    parser.add_argument(
        "--datum",
        choices=["ellipsoid", "EGM96", "EGM2008"],
        help="what its heights refer to (default: as the file says; where it does not, it is "
        "refused)",
    )
    parser.add_argument(
        "--geoid",
        type=Path,
        metavar="FILE",
        help="geoid grid (GTX or GeoTIFF), for heights above a geoid and for the sea",
    )
    parser.add_argument(
        "--missing-heights",
        choices=["nodata", "sea", "refuse"],
        default="nodata",
        help="what stands for heights that the model does not have (default: %(default)s)",
    )


def _add_area(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--grid", type=Path, metavar="FILE", help="GeoTIFF whose pixels the image is to have"
    )
    where.add_argument(
        "--bounds",
        type=float,
        nargs=4,
        metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        help="area in degrees, on a grid whose edges are multiples of the pixel size",
    )
    parser.add_argument(
        "--spacing",
        type=float,
        default=20.0,
        metavar="METRES",
        help="with --bounds: size of a pixel (default: %(default)g)",
    )
    parser.add_argument(
        "--crs",
        metavar="EPSG:CODE",
        help="with --bounds: reference system (default: the zone of UTM, polar stereographic "
        "beyond them)",
    )


def _process(options: argparse.Namespace) -> int:
    from ssl4sar.sar.geocode import GeocodeOptions
    from ssl4sar.sar.process import ProcessRequest, grid_of_bounds, grid_of_file, process
    from ssl4sar.sar.terrain import Elevation

    grid = (
        grid_of_bounds(tuple(options.bounds), options.spacing, options.crs)
        if options.grid is None
        else grid_of_file(options.grid)
    )
    request = ProcessRequest(
        product=options.product,
        polarisation=options.polarisation,
        grid=grid,
        elevation=Elevation(options.dem, options.datum, options.geoid, options.missing_heights),
        options=GeocodeOptions(
            options.quantity,
            not options.keep_noise,
            options.engine,
            options.snap_timeout,
            options.orbit,
            options.workers,
        ),
        out=options.out,
        terrain_out=options.terrain_out,
    )
    print_lines(process(request))
    return EXIT_OK


def _add_config(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=_show_config)


def _show_config(options: argparse.Namespace) -> int:
    from ssl4sar.config.loading import read_config, study_from
    from ssl4sar.config.schema import annotated

    file = options.file
    values = {"name": "my_study"} if file is None else read_config(file)
    print_lines(annotated(study_from(values, file or "the defaults")).splitlines())
    return EXIT_OK


def _add_config_docs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=_config_docs)


def _config_docs(options: argparse.Namespace) -> int:
    from ssl4sar.config.schema import write_docs

    outdated = write_docs(options.folder, check=options.check)
    for path in outdated:
        print_lines([f"{path} {'is out of date' if options.check else 'written'}"])
    return EXIT_PROBLEMS if options.check and outdated else EXIT_OK


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
