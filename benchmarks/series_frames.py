"""What a temporal network makes of its series: scores by what it sees beside an image.

Every test image is predicted three times, with the same weights, without a mean over dates: alone,
with the dates of its own glacier that the run used, and with as many of *training* glaciers,
nearest in time. A network that uses what changes between dates gains from its own; one that has
learnt places loses with those of others.

    python benchmarks/series_frames.py runs/caffe_coarse --model temporal --seed 0
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.caffe_layout import Split
from ssl4sar.core.foreign import read_json
from ssl4sar.core.image import read_image
from ssl4sar.core.progress import track
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.dataset.series import SeriesScene, in_order, prediction_series
from ssl4sar.evaluate.scoring import ImageScore, LabelFolders, score_image
from ssl4sar.evaluate.summary import summarise
from ssl4sar.models.checkpoint import load_network
from ssl4sar.models.network import SeriesNetwork
from ssl4sar.models.sliding_window import mirrored, predict_series

Image = NDArray[np.uint8]
Choose = Callable[[SeriesScene], Sequence[SeriesScene]]


class Study:
    """The images of a run and the network that is tried on them."""

    def __init__(self, run: Path, model: str, seed: int) -> None:
        self.manifest = TreeManifest.read(run / "caffe" / "resampled.json")
        network, _ = load_network(run / "finetune" / model / f"seed{seed}" / "model.ckpt")
        if not isinstance(network, SeriesNetwork):
            raise SystemExit(f"{model} sees no series: name a row with a temporal network")
        self.network = network.eval()
        record = read_json(run / "predict" / model / f"seed{seed}" / "predictions.json")
        self.config = PredictionConfig.model_validate(record["prediction"])
        self.scenes = {split: self._scenes(split) for split in ("train", "test")}
        self.frames = {
            series.frames[place].name: series.frames
            for series in prediction_series(self.scenes["test"], self.config.series)
            for place in series.predicted
        }

    def _scenes(self, split: Split) -> list[SeriesScene]:
        return [
            SeriesScene.of_name(name, split, self.read(split, name).shape)
            for name in self.manifest.scenes[split]
        ]

    def read(self, split: Split, name: str) -> Image:
        """Return the grey values of a scene."""
        return read_image(self.manifest.tree.sar(split, name)).pixels

    def scores(self, label: str, choose: Choose) -> list[ImageScore]:
        """Return the scores of all test images, each seen with the frames chosen for it."""
        labels = LabelFolders.of_tree(self.manifest.tree, "test")
        scores = []
        for scene in track(self.scenes["test"], label):
            seen = in_order([scene, *choose(scene)])
            images = np.stack([fitted(self.read(each.split, each.name), scene) for each in seen])
            days = [frame.day for frame in seen]
            place = [seen.index(scene)]
            maps = predict_series(self.network, images, days, place, self.config, "cpu", scene.name)
            zones = maps[0, :CLASS_COUNT].argmax(0).astype(np.uint8)
            labelled = labels.read(scene.name)
            scores.append(score_image(labelled, zones, labelled.extract(zones)))
        return scores

    def own(self, scene: SeriesScene) -> list[SeriesScene]:
        """Return the dates of the same glacier that the run saw it with."""
        return [frame for frame in self.frames[scene.name] if frame != scene]

    def foreign(self, scene: SeriesScene) -> list[SeriesScene]:
        """Return as many images of training glaciers, those nearest in time."""
        others = sorted(
            self.scenes["train"], key=lambda frame: (abs(frame.day - scene.day), frame.name)
        )
        return others[: len(self.own(scene))]


def fitted(image: Image, scene: SeriesScene) -> Image:
    """Return an image cut, or mirrored on, to the size of a scene."""
    rows, columns = (
        mirrored(np.arange(wanted), had)
        for wanted, had in zip(scene.shape, image.shape, strict=True)
    )
    return image[np.ix_(rows, columns)]


def main() -> None:
    """Print the three scores and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a run, e.g. runs/caffe_coarse")
    parser.add_argument("--model", default="temporal", help="row with a temporal network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    study = Study(arguments.run, arguments.model, arguments.seed)
    kind = "SYNTHETIC" if study.manifest.synthetic else "real"
    print(f"{arguments.run}, {arguments.model}, seed {arguments.seed}: {kind} images")
    print(f"{'frames':18} {'IoU':>6} {'MDE (m)':>8} {'recall':>7} {'no front':>9} {'s/image':>8}")
    first: tuple[float, float] | None = None
    ways: dict[str, Choose] = {
        "alone": lambda scene: [],
        "own dates": study.own,
        "other glaciers": study.foreign,
    }
    for label, choose in ways.items():
        started = time.process_time()
        scores = study.scores(label, choose)
        seconds = (time.process_time() - started) / len(scores)
        summary = summarise(scores)
        iou, mde = summary.iou_pooled or 0.0, summary.front.mde_m or float("nan")
        print(
            f"{label:18} {iou:6.3f} {mde:8.0f} {summary.front.front_recall_500m or 0:7.2f} "
            f"{summary.front.n_no_front:9d} {seconds:8.2f}"
        )
        if first is None:
            first = iou, mde
        else:
            print(f"{'  against alone':18} {iou / first[0]:6.2f} {mde / first[1]:8.2f}")


if __name__ == "__main__":
    main()
