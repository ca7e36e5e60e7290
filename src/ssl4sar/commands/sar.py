"""``ssl4sar sar``: check, geocode or compare products of Sentinel-1."""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, Subparsers, add_workers, positive
from ssl4sar.core.printing import print_lines


def add_to(commands: Subparsers) -> None:
    """Add the subcommand to those of the program."""
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


def _add_process(steps: Subparsers) -> None:
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
    add_workers(parser, "blocks of rows made at the same time")
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
        type=positive,
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


def _check_product(options: argparse.Namespace) -> int:
    from ssl4sar.sar.check import check_product, print_check

    found = check_product(options.product)
    print_check(found, as_json=options.json)
    return EXIT_OK if found.within_limits else EXIT_PROBLEMS


def _compare_images(options: argparse.Namespace) -> int:
    import json

    from ssl4sar.stack.compare import compare_images

    found = compare_images(options.first, options.second)
    print_lines([json.dumps(found.to_json(), indent=1)] if options.json else found.lines())
    return EXIT_OK
