"""Scoring zone predictions against the labels of their scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import (
    BOX_ENDING,
    BOX_FOLDER,
    FRONT_ENDINGS,
    SAR_ENDINGS,
    ZONES_ENDINGS,
    CaffeTree,
    Split,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import (
    GeoImage,
    image_grid,
    read_image,
    require_place,
    shared_grid,
    write_image,
)
from ssl4sar.core.named_files import is_image, list_named, named_file
from ssl4sar.core.progress import track
from ssl4sar.core.scene_name import FRONT_SUFFIX, SceneName, begins_like_a_scene
from ssl4sar.core.zones import CLASS_COUNT, classes_from_greys
from ssl4sar.metrics.distances import DistanceSums, front_distances
from ssl4sar.metrics.fronts import ExtractedFront, extract_front
from ssl4sar.metrics.segmentation import ClassScores, confusion_matrix
from ssl4sar.metrics.subsets import FrontError, near_px, near_share

FRONT_GREY: Final = 255
#: ``NAME_zones.png`` is the prediction of NAME, not of NAME_zones.
PREDICTION_ENDINGS: Final = (*ZONES_ENDINGS, *SAR_ENDINGS)
T = TypeVar("T")


@dataclass(frozen=True)
class LabelledScene:
    """The labels of a scene, in memory.

    Attributes:
        name: parsed name.
        zones: (H, W) uint8 class ids 0-3.
        front: (H, W) bool, labelled front.
        box_window: row and column slices of the box around the dynamic front.
        spacing_m: pixel size, metres: that of the grid, without one that of the name.
        grid: where the pixels are; None where no image of the scene has coordinates.
    """

    name: SceneName
    zones: NDArray[np.uint8]
    front: NDArray[np.bool_]
    box_window: tuple[slice, slice]
    spacing_m: float
    grid: Grid | None = None

    def extract(self, predicted: NDArray[np.uint8]) -> ExtractedFront:
        """Extract the front from (H, W) class ids on the grid of this scene."""
        return extract_front(predicted, self.spacing_m, self.box_window)


@dataclass(frozen=True)
class LabelFolders:
    """Where the labels are.

    Attributes:
        zones: folder of ``NAME_zones.png``.
        fronts: folder of ``NAME_front.png``.
        boxes: folder of ``NAME_front_extent_coord.txt``.
        sar: folder of ``NAME.png``, whose coordinates count where labels have none; may be None.
        moved: folder of the scenes that are in that of another split beside it, by name.
    """

    zones: Path
    fronts: Path
    boxes: Path
    sar: Path | None = None
    moved: Mapping[str, Split] = field(default_factory=dict)

    @classmethod
    def of_tree(cls, tree: CaffeTree, split: Split) -> Self:
        """Return the folders of a split of a tree in the official layout."""
        zones, fronts, sar = (
            tree.root / name / split for name in ("zones", "fronts", "sar_images")
        )
        return cls(zones, fronts, tree.root / BOX_FOLDER, sar, tree.moved)

    def names(self) -> list[str]:
        """Return the sorted names of the scenes that have a zone mask.

        Raises:
            UserError: the folder is missing, holds no mask, a mask of another name, or there are
                two labels of a kind for a scene.
        """
        if not self.zones.is_dir():
            raise UserError(self.zones, "the folder does not exist", "give the folder of the zones")
        listed = list_named(self.zones, *ZONES_ENDINGS)
        for files in (
            listed,
            list_named(self.fronts, *FRONT_ENDINGS),
            list_named(self.boxes, BOX_ENDING),
        ):
            files.refuse_repeated()
        for path in listed.others:
            # A scene must not be left out of the score because of how its mask is called.
            if path.is_file() and (is_image(path) or begins_like_a_scene(path.name)):
                raise UserError(
                    path, f"the name does not end in {ZONES_ENDINGS[0]}", "rename or remove it"
                )
        if not listed.files:
            raise UserError(
                self.zones, "the folder holds no zone masks", "fill it with NAME_zones.png files"
            )
        return list(listed.files)

    def zones_file(self, name: str) -> Path:
        """Return the zone mask of a scene, its ending in any case."""
        return named_file(self._folder(self.zones, name), name, *ZONES_ENDINGS)

    def front_file(self, name: str) -> Path:
        """Return the labelled front of a scene, its ending in any case."""
        return named_file(self._folder(self.fronts, name), name, *FRONT_ENDINGS)

    def box_file(self, name: str) -> Path:
        """Return the bounding-box file of a scene, its ending in any case."""
        return named_file(self.boxes, name, BOX_ENDING)

    def read(self, name: str) -> LabelledScene:
        """Read the labels of a scene.

        Raises:
            UserError: malformed name, missing or damaged file, unknown grey value, masks of
                different size or place, a box outside the image, or coordinates on which lengths
                cannot be measured or that contradict the name.
        """
        scene = SceneName.parse(name)
        zones_file, front_file = self.zones_file(name), self.front_file(name)
        box_file = self.box_file(name)
        zones_image, front_image = read_image(zones_file), read_image(front_file)
        zones = classes_from_greys(zones_image.pixels, zones_file)
        front = _front_of_greys(front_image.pixels, front_file)
        fix = "give zones and fronts of the same scenes and size"
        _require_size(front_file, front.shape, zones.shape, fix)
        height_px, width_px = zones.shape
        window = BoundingBox.read(box_file).window(height_px, width_px, box_file)
        grid, file = shared_grid([(zones_file, zones_image), (front_file, front_image)])
        if grid is None and self.sar is not None:
            file = named_file(self._folder(self.sar, name), name, *SAR_ENDINGS)
            grid = image_grid(file) if file.exists() else None
            if grid is not None:
                _require_size(file, grid.shape, zones.shape, fix)
        return LabelledScene(scene, zones, front, window, scene.spacing_m(grid, file), grid)

    def _folder(self, folder: Path, name: str) -> Path:
        return folder.with_name(self.moved[name]) if name in self.moved else folder


def _front_of_greys(greys: NDArray[np.uint8], file: Path) -> NDArray[np.bool_]:
    """Return where a label has its front, refusing what is not a label."""
    front: NDArray[np.bool_] = greys == FRONT_GREY
    if not np.all(front | (greys == 0)):
        raise UserError(
            file,
            "it has grey values other than 0 and 255",
            "give the labelled front as 255 on 0",
        )
    return front


@dataclass(frozen=True)
class ImageScore:
    """The scores of one predicted image; plain numbers, so that it can be stored as JSON.

    Attributes:
        name: scene name.
        height_px: image height.
        width_px: image width.
        mde_m: mean of the distances of this image, metres; None without a front.
        n_distances: number of distances (predicted plus true front pixels).
        sum_m: sum of the distances, metres.
        sum_squares_m2: sum of the squared distances, square metres.
        max_m: largest distance, metres; None without a front.
        predicted_to_true_m: mean distance of the predicted pixels, metres; None without a front.
        true_to_predicted_m: mean distance of the true pixels, metres; None without a front.
        predicted_front_px: predicted front pixels within the box.
        predicted_front_near_px: those with the labelled front less than 500 m away.
        predicted_front_before_box_px: predicted front pixels after the length rule.
        true_front_px: labelled front pixels.
        true_front_near_px: those with the predicted front less than 500 m away.
        confusion: 4 x 4 pixel counts by true (rows) and predicted class.
        grid: where the pixels are; None without coordinates.
    """

    name: str
    height_px: int
    width_px: int
    mde_m: float | None
    n_distances: int
    sum_m: float
    sum_squares_m2: float
    max_m: float | None
    predicted_to_true_m: float | None
    true_to_predicted_m: float | None
    predicted_front_px: int
    predicted_front_near_px: int
    predicted_front_before_box_px: int
    true_front_px: int
    true_front_near_px: int
    confusion: tuple[tuple[int, ...], ...]
    grid: Grid | None = None

    @property
    def scene(self) -> SceneName:
        """Parsed name."""
        return SceneName.parse(self.name)

    @property
    def no_front(self) -> bool:
        """Whether the image is left out of the MDE because there is no front."""
        return self.mde_m is None

    @property
    def front_recall_500m(self) -> float | None:
        """Share of the labelled front pixels that are found, 0-1; None without any."""
        return near_share(self.true_front_near_px, self.true_front_px)

    @property
    def front_precision_500m(self) -> float | None:
        """Share of the predicted front pixels that are right, 0-1; None without any."""
        return near_share(self.predicted_front_near_px, self.predicted_front_px)

    @property
    def front_error(self) -> FrontError:
        """What the image contributes to the subsets."""
        return FrontError(
            scene=self.scene,
            sums=DistanceSums(self.n_distances, self.sum_m, self.sum_squares_m2),
            true_front_px=self.true_front_px,
            true_front_near_px=self.true_front_near_px,
            predicted_front_px=self.predicted_front_px,
            predicted_front_near_px=self.predicted_front_near_px,
        )

    @property
    def confusion_counts(self) -> NDArray[np.int64]:
        """(4, 4) int64 pixel counts, true classes in rows."""
        return np.array(self.confusion, np.int64)

    @property
    def class_scores(self) -> ClassScores:
        """Precision, recall, F1 and IoU per class."""
        return ClassScores.of(self.confusion_counts)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of builtins."""
        values = asdict(self) | {"confusion": [list(row) for row in self.confusion]}
        values.pop("grid")
        return values if self.grid is None else {**values, "grid": self.grid.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Rebuild a score from :meth:`to_json`.

        Raises:
            TypeError: a key is missing or unknown.
            ValueError: the confusion matrix is not 4 x 4.
        """
        confusion = tuple(tuple(int(n) for n in row) for row in value.get("confusion", ()))
        if [len(row) for row in confusion] != [CLASS_COUNT] * CLASS_COUNT:
            raise ValueError("the confusion matrix is not 4 x 4")
        grid = Grid.from_json(value["grid"]) if "grid" in value else None
        return cls(**{**value, "confusion": confusion, "grid": grid})


def score_image(
    scene: LabelledScene, predicted: NDArray[np.uint8], extracted: ExtractedFront
) -> ImageScore:
    """Score a predicted zone mask.

    Args:
        scene: the labels.
        predicted: (H, W) uint8 class ids 0-3, as the model gave them.
        extracted: the front of ``predicted`` (see :meth:`LabelledScene.extract`).

    Raises:
        ValueError: the masks differ in shape.
    """
    distances = front_distances(extracted.front, scene.front, scene.spacing_m)
    sums = DistanceSums() if distances is None else DistanceSums.of(distances.all_m)
    height_px, width_px = scene.zones.shape
    return ImageScore(
        name=str(scene.name),
        height_px=height_px,
        width_px=width_px,
        mde_m=sums.mean_m,
        n_distances=sums.count,
        sum_m=sums.sum_m,
        sum_squares_m2=sums.sum_squares_m2,
        max_m=None if distances is None else float(distances.all_m.max()),
        predicted_to_true_m=(
            None if distances is None else float(distances.predicted_to_true_m.mean())
        ),
        true_to_predicted_m=(
            None if distances is None else float(distances.true_to_predicted_m.mean())
        ),
        predicted_front_px=int(np.count_nonzero(extracted.front)),
        predicted_front_near_px=(
            0 if distances is None else near_px(distances.predicted_to_true_m)
        ),
        predicted_front_before_box_px=int(np.count_nonzero(extracted.front_raw)),
        true_front_px=int(np.count_nonzero(scene.front)),
        true_front_near_px=0 if distances is None else near_px(distances.true_to_predicted_m),
        confusion=tuple(tuple(row) for row in confusion_matrix(scene.zones, predicted).tolist()),
        grid=scene.grid,
    )


def prediction_files(predictions: Path, names: Sequence[str]) -> dict[str, Path]:
    """Find the prediction of every scene: ``NAME.png`` or ``NAME_zones.png``.

    Raises:
        UserError: the folder is missing, predictions are missing, or a scene has two.
    """
    if not predictions.is_dir():
        raise UserError(predictions, "the folder does not exist", "give the folder of predictions")
    listed = list_named(predictions, *PREDICTION_ENDINGS)
    for name in names:
        if name in listed.repeated:
            first, second = listed.repeated[name]
            raise UserError(
                predictions,
                f"two predictions for {name}: {first.name} and {second.name}",
                "keep one of them",
            )
    missing = [name for name in names if name not in listed.files]
    if missing:
        raise UserError(
            predictions,
            f"{len(missing)} of {len(names)} predictions are missing, the first is {missing[0]}",
            "add NAME.png or NAME_zones.png for every scene",
        )
    return {name: listed.files[name] for name in names}


def read_prediction(path: Path, scene: LabelledScene) -> GeoImage:
    """Read a predicted zone mask.

    Args:
        path: 8-bit grey image with the values 0, 64, 127, 254.
        scene: labels of the same size.

    Returns:
        Class ids 0-3 and the coordinates of the prediction.

    Raises:
        UserError: damaged file, another size or place than the labels, or an unknown grey value.
    """
    image = read_image(path)
    fix = "predict on the full image of the scene"
    _require_size(path, image.pixels.shape, scene.zones.shape, fix)
    require_place(path, image.grid, scene.grid)
    scene.name.spacing_m(image.grid, path)
    return image._replace(pixels=classes_from_greys(image.pixels, path))


def score_folder(
    predictions: Path,
    labels: LabelFolders,
    names: Sequence[str],
    *,
    workers: int = 1,
    fronts_out: Path | None = None,
) -> list[ImageScore]:
    """Score the predictions of a set of scenes.

    Args:
        predictions: folder of ``NAME.png`` or ``NAME_zones.png``.
        labels: folders of the labels.
        names: scene names.
        workers: images scored at the same time.
        fronts_out: folder to write the final predicted fronts to, as ``NAME_front.png`` (0/255),
            or as GeoTIFF where the scene or its prediction has coordinates.

    Returns:
        Scores in the order of ``names``.

    Raises:
        UserError: anything missing, damaged or inconsistent.
    """
    files = prediction_files(predictions, names)

    def score(name: str) -> ImageScore:
        scene = labels.read(name)
        predicted, grid = read_prediction(files[name], scene)
        extracted = scene.extract(predicted)
        if fronts_out is not None:
            grey = extracted.front.astype(np.uint8) * np.uint8(FRONT_GREY)
            write_image(fronts_out / f"{name}{FRONT_SUFFIX}", grey, scene.grid or grid)
        return score_image(scene, predicted, extracted)

    return list(map_images(score, names, "scoring images", workers))


def map_images(
    work: Callable[[str], T], names: Sequence[str], description: str, workers: int
) -> Iterator[T]:
    """Yield ``work(name)`` in the order of ``names``, several at a time.

    Threads suffice, because labelling, counting and tree queries release the interpreter lock,
    and they start anywhere: a new process would run the calling script again.
    """
    if workers <= 1:
        results: Iterable[T] = map(work, names)
        yield from track(results, description, total=len(names))
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from track(pool.map(work, names), description, total=len(names))
        except BaseException:
            # Without this, an error in the first image would wait for all the others.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _require_size(path: Path, size: tuple[int, ...], expected: tuple[int, ...], fix: str) -> None:
    if size != expected:
        raise UserError(
            path,
            f"the image is {size[0]}x{size[1]} px, the zone mask of the scene "
            f"{expected[0]}x{expected[1]} px (height x width)",
            fix,
        )
