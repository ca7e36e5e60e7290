"""From stacks to the pretraining dataset: 8-bit images, optical partners, manifest and card.

Folders and names are those of the SSL4SAR dataset, see :mod:`ssl4sar.core.pair_layout`. The window
of decibels and its mapping to 8 bits are of our choice (those of the published images are unknown)
and recorded with every image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.core.errors import UserError
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import (
    BANDS,
    BENCHMARK_TEST_GLACIERS,
    MANIFEST_NAME,
    OPTICAL_FOLDER,
    SAR_FOLDERS,
    PairSplit,
    is_named_after,
)
from ssl4sar.core.progress import track
from ssl4sar.dataset.pair_manifest import LeftOutImage, OpticalImage, PairManifest, SarImage
from ssl4sar.sar.coding import GrayMapping, decode, read_coded, read_geometry
from ssl4sar.stack.optical import optical_facts, optical_grid
from ssl4sar.stack.record import StackedScene, StackRecord, geometry_path, image_path

if TYPE_CHECKING:
    import xarray as xr

#: Decibels per decade of power.
_DB: Final = 10.0


@dataclass(frozen=True)
class PairOptions:
    """How a dataset is made of stacks.

    Attributes:
        mapping: decibels to 8 bits.
        val_glaciers: glaciers whose images are all for validation.
        val_fraction: of every other glacier, the share of its latest days for validation.
        leave_out_flagged: leave out scenes whose co-registration is flagged.
        apply_shift: move every image by the shift that was measured; off: nothing is warped.
        mask_layover_shadow: pixels in layover or shadow become no data; the stack keeps them.
        allow_test_glaciers: take glaciers of the benchmark's test set, too.
        test_glaciers: names of these glaciers.
    """

    mapping: GrayMapping = field(default_factory=GrayMapping)
    val_glaciers: tuple[str, ...] = ()
    val_fraction: float = 0.1
    leave_out_flagged: bool = True
    apply_shift: bool = False
    mask_layover_shadow: bool = False
    allow_test_glaciers: bool = False
    test_glaciers: tuple[str, ...] = BENCHMARK_TEST_GLACIERS


@dataclass(frozen=True, eq=False)
class GlacierImages:
    """What there is of a glacier.

    Attributes:
        stack: its scenes.
        record: file of their record.
        optical: (15, H, W) its optical image; see :func:`ssl4sar.stack.optical.optical_image`.
    """

    stack: StackRecord
    record: Path
    optical: xr.DataArray


def build_pairs(
    glaciers: Iterable[GlacierImages], root: str | Path, options: PairOptions | None = None
) -> PairManifest:
    """Write a dataset for the pretraining: images, ``dataset.json`` and ``README.md``.

    Args:
        glaciers: stacks with their optical images, taken one at a time.
        root: folder of the dataset.
        options: defaults where None.

    Returns:
        The manifest, written too.

    Raises:
        UserError: a glacier is of the benchmark's test set, is there twice, or has an image on
            another grid; no image is left. A glacier without a usable scene stays out.
    """
    root, options = Path(root), options or PairOptions()
    optical, sar, left_out = [], [], []
    names: set[str] = set()
    for images in glaciers:
        name = images.stack.glacier
        if name in names:
            raise UserError(f"glacier {name}", "it is there twice", "give one stack per glacier")
        names.add(name)
        _refuse_test_glacier(name, options)
        grid = images.stack.pixels
        _require_same_grid(images, grid)
        left_out += _left_out(images.stack, options)
        chosen = [scene for scene in images.stack.usable if not _is_left_out(scene, options)]
        splits = split_scenes(name, chosen, options)
        if splits:
            optical.append(_write_optical(images, grid, root))
        sar += [
            _write_sar(images, scene, split, grid, root, options)
            for scene, split in track(splits, f"images of {name}")
        ]
    if not sar:
        raise UserError(root, "no image is left for the dataset", "see the tables of the stacks")
    manifest = PairManifest(
        root=str(root),
        source="built",
        synthetic=any(image.processing["synthetic"] for image in sar if image.processing),
        allow_test_glaciers=options.allow_test_glaciers,
        excluded=(),
        left_out=tuple(sorted(left_out, key=lambda image: (image.file, image.why))),
        included_test_glaciers=tuple(
            image.glacier
            for image in optical
            if is_named_after(image.glacier, options.test_glaciers)
        ),
        optical=tuple(sorted(optical, key=lambda image: image.glacier)),
        sar=tuple(sorted(sar, key=lambda image: (image.split != "train", image.file))),
    )
    manifest.write(root / MANIFEST_NAME)
    return manifest


def split_scenes(
    glacier: str, scenes: Sequence[StackedScene], options: PairOptions
) -> list[tuple[StackedScene, PairSplit]]:
    """Return the split of every scene: by glacier, else the latest days for validation.

    Scenes of one day are in one split.
    """
    days = sorted({scene.day or "" for scene in scenes})
    if glacier in options.val_glaciers:
        late = set(days)
    else:
        # A glacier of one day is for training.
        count = min(ceil(options.val_fraction * len(days)), len(days) - 1)
        late = set(days[len(days) - count :]) if count > 0 else set()
    return [(scene, "val" if (scene.day or "") in late else "train") for scene in scenes]


def _left_out(stack: StackRecord, options: PairOptions) -> list[LeftOutImage]:
    """Return the scenes that failed, and the flagged ones by the names they would have had."""
    failed = [
        LeftOutImage(file=scene.product, why=f"no image of {stack.glacier}: {scene.problem}")
        for scene in stack.scenes
        if scene.file is None
    ]
    return failed + [
        LeftOutImage(file=_file_name(scene, stack.glacier, split), why=_why_misplaced(scene))
        for scene, split in split_scenes(stack.glacier, stack.usable, options)
        if _is_left_out(scene, options)
    ]


def _is_left_out(scene: StackedScene, options: PairOptions) -> bool:
    """Return whether the shift was measured, is beyond its limits, and that counts."""
    shift = scene.shift
    is_misplaced = shift is not None and shift.x_px is not None and bool(shift.problem)
    return options.leave_out_flagged and is_misplaced


def _why_misplaced(scene: StackedScene) -> str:
    problem = scene.shift.problem if scene.shift is not None else None
    return f"co-registration of {scene.product}: {problem}"


def _refuse_test_glacier(name: str, options: PairOptions) -> None:
    if is_named_after(name, options.test_glaciers) and not options.allow_test_glaciers:
        raise UserError(
            f"glacier {name}",
            "is of the benchmark's test set, which no pretraining may see",
            "leave it out, or set ssl4sar.allow_test_glaciers",
        )


def _require_same_grid(images: GlacierImages, grid: Grid) -> None:
    fault = optical_grid(images.optical).difference(grid, "the grid of its stack")
    if fault is not None:
        raise UserError(
            f"glacier {images.stack.glacier}",
            f"its optical image is on another grid than its SAR images: {fault}",
            "make both again with the same area and pixel size",
        )


def _place(grid: Grid) -> dict[str, Any]:
    return {
        "height": grid.height,
        "width": grid.width,
        "spacing_m": grid.spacing_m,
        "crs": grid.crs,
        "transform": grid.transform,
    }


def _file_facts(root: Path, file: str) -> dict[str, Any]:
    path = root / file
    return {"file": file, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def _write_optical(images: GlacierImages, grid: Grid, root: Path) -> OpticalImage:
    facts = optical_facts(images.optical)
    name = images.stack.glacier
    file = f"{OPTICAL_FOLDER}/{name}_{facts['day'].replace('-', '')}_S2.tif"
    tags = {"PRODUCTS": " ".join(facts["products"]), "UNITS": facts["units"]}
    write_geotiff(root / file, images.optical.values, grid, descriptions=BANDS, tags=tags)
    return OpticalImage(
        **_file_facts(root, file),
        **_place(grid),
        glacier=name,
        date=facts["day"],
        bands=len(BANDS),
        processing=facts,
    )


def _write_sar(
    images: GlacierImages,
    scene: StackedScene,
    split: PairSplit,
    grid: Grid,
    root: Path,
    options: PairOptions,
) -> SarImage:
    db = decode(read_coded(image_path(images.record, scene), grid))
    masked = None
    if options.mask_layover_shadow:
        seen = read_geometry(geometry_path(images.record, scene), grid)
        hidden = seen.layover_shadow > 0
        masked = int((hidden & ~np.isnan(db)).sum())
        db[hidden] = np.nan
    move = None
    if options.apply_shift and scene.shift is not None and scene.shift.x_px is not None:
        move = -float(scene.shift.y_px or 0.0), -float(scene.shift.x_px)
        db = _moved(db, move)
    coded = options.mapping.encode(db)
    file = _file_name(scene, images.stack.glacier, split)
    write_gray(root / file, coded.image, {"Product": scene.product})
    return SarImage(
        **_file_facts(root, file),
        **_place(grid),
        glacier=images.stack.glacier,
        date=scene.day or "",
        split=split,
        processing={
            **scene.facts,
            "image": scene.file,
            "image_sha256": scene.sha256,
            "mapping": {**options.mapping.to_json(), "clamped_px": coded.clamped_px},
            "shift": None if scene.shift is None else scene.shift.model_dump(),
            "masked_px": masked,
            "moved_px": None if move is None else list(move),
            "synthetic": scene.synthetic,
        },
    )


def _file_name(scene: StackedScene, glacier: str, split: PairSplit) -> str:
    facts = scene.facts
    number = "000" if facts["relative_orbit"] is None else f"{facts['relative_orbit']:03d}"
    start = facts["start"].replace("-", "").replace(":", "")[9:15]
    day = (scene.day or "").replace("-", "")
    return f"{SAR_FOLDERS[split]}/{facts['platform']}_{glacier}_{day}_{start}_{number}.png"


def _moved(db: NDArray[np.float32], move_px: tuple[float, float]) -> NDArray[np.float32]:
    """Return an image moved by rows and columns, in linear power; NaN from outside."""
    power = 10 ** (db / _DB)
    moved = ndimage.shift(power, move_px, order=1, mode="constant", cval=np.nan)
    with np.errstate(divide="ignore"):
        db_moved: NDArray[np.float32] = (_DB * np.log10(moved)).astype(np.float32)
    return db_moved
