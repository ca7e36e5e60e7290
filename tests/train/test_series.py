"""Training on series: crops of one place, equal turns, own grey values, any lengths together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from series_network import TinySeriesNetwork
from tiny_training import (
    FINETUNING,
    NETWORK,
    PowerCutError,
    column,
    finetuning,
    interrupt,
    rows,
    tensors,
)

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.networks import TemporalTyrionConfig
from ssl4sar.config.series import SeriesConfig
from ssl4sar.config.training import AugmentationConfig, TrainingConfig
from ssl4sar.dataset.series import SeriesScene
from ssl4sar.dataset.store import Store
from ssl4sar.models.checkpoint import load_network
from ssl4sar.models.network import SeriesNetwork
from ssl4sar.train.finetune.augment import augment_batch
from ssl4sar.train.finetune.crops import CropDataset
from ssl4sar.train.finetune.finetune import finetune
from ssl4sar.train.finetune.finetune_module import FinetuneModule
from ssl4sar.train.finetune.series import (
    SeriesCropDataset,
    SeriesDraw,
    SeriesDrawer,
    series_logits,
    window_in,
)
from ssl4sar.train.finetune.validation import StoreValidation, validation_windows
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import SampleDraw, SampleDrawer, SceneShape, Window

#: Four scenes of a glacier, one of them coarser, two of one day; and one scene of another glacier.
NAMES = (
    "JAC_2011-05-01_TDX_7_1_001",
    "JAC_2011-01-01_ERS_20_1_001",
    "JAC_2011-03-01_TSX_7_1_001",
    "JAC_2011-03-01_TDX_7_1_001",
    "SI_2011-02-01_TDX_7_1_001",
)
SHAPES = ((600, 400), (210, 140), (600, 400), (600, 400), (90, 90))
#: Everything that can be drawn is drawn, so that equal values are not by chance.
STEPS = ("rezoom", "ocean_mixup", "speckle", "brightness", "contrast", "gamma", "warp")
CERTAIN = AugmentationConfig(**dict.fromkeys((f"{step}_probability" for step in STEPS), 1.0))


def drawer(config=None, seed=3):
    shapes = [
        SceneShape(name.split("_")[0], *shape) for name, shape in zip(NAMES, SHAPES, strict=True)
    ]
    of_images = SampleDrawer(
        shapes,
        input_px=64,
        target_px=32,
        augmentation=CERTAIN,
        sampling="images",
        samples_per_epoch=40,
        seed=seed,
    )
    scenes = [
        SeriesScene.of_name(name, "train", shape) for name, shape in zip(NAMES, SHAPES, strict=True)
    ]
    return SeriesDrawer(of_images, scenes, config or SeriesConfig(frames=3))


def test_the_reference_is_the_sample_of_single_images():
    series = drawer()
    for index in range(40):
        draw = series.draw(2, index)
        assert draw.frames[draw.reference] == series.drawer.draw(2, index)
        assert draw == drawer().draw(2, index)
        assert draw.predicted == (draw.reference,)
    assert series.draw(2, 0) != series.draw(3, 0) != drawer(seed=4).draw(3, 0)


def test_frames_are_of_one_glacier_by_day_each_once():
    lengths = Counter()
    for index in range(40):
        draw = drawer().draw(0, index)
        images = [frame.window.image for frame in draw.frames]
        assert len(set(images)) == len(images)
        assert len({NAMES[image].split("_")[0] for image in images}) == 1
        assert list(draw.days) == sorted(draw.days)
        lengths[len(images)] += 1
    assert lengths == {3: 32, 1: 8}  # a glacier with one image: the image alone


def test_turns_are_shared_and_grey_values_are_not():
    for index in range(40):
        frames = drawer().draw(0, index).frames
        assert len({(f.flip_columns, f.flip_rows, f.quarter_turns, f.warp) for f in frames}) == 1
        assert frames[0].warp is not None
        for values in (
            {f.noise_seed for f in frames},
            {f.brightness for f in frames},
            {f.contrast for f in frames},
            {f.gamma for f in frames},
            {f.partner for f in frames},
        ):
            assert len(values) == len(frames)


def test_windows_show_one_place_on_any_grid():
    window = Window(0, -20, 100, 200, 200)
    shapes = drawer().drawer.scenes
    assert window_in(window, shapes, 2) == replace(window, image=2)
    # The coarse image has 0.35 times as many rows and columns.
    assert window_in(window, shapes, 1) == Window(1, -7, 35, 70, 70)
    assert window_in(Window(0, 0, 0, 1, 1), shapes, 1) == Window(1, 0, 0, 1, 1)
    for index in range(40):
        draw = drawer().draw(1, index)
        own = draw.frames[draw.reference].window
        for frame in draw.frames:
            assert frame.window == window_in(own, shapes, frame.window.image)


class OnePlace:
    """In place of a store: every image shows one smooth scene, on its own grid."""

    def _places(self, number):
        height, width = SHAPES[number]
        return (np.arange(height)[:, None] + 0.5) / height, (np.arange(width) + 0.5) / width

    def image(self, number):
        rows, columns = self._places(number)
        return (127 + 60 * np.sin(9 * rows) + 60 * np.cos(7 * columns)).astype(np.uint8)

    def zones(self, number):
        rows, columns = self._places(number)
        return (2 * (rows > 0.4) + (columns > 0.6)).astype(np.uint8)

    front = zones


@pytest.mark.parametrize("warp", [0.0, 1.0])
def test_all_images_of_a_sample_show_one_place(warp):
    """Also at another pixel size, beyond the border, turned and warped."""
    series = drawer(SeriesConfig(frames=4))
    probabilities = {f"{step}_probability": 0.0 for step in STEPS[1:]}
    geometric = AugmentationConfig(**{**probabilities, "warp_probability": warp})
    series.drawer.augmentation = geometric
    dataset = SeriesCropDataset(CropDataset(OnePlace(), range(len(NAMES)), series.drawer), series)
    batch = dataset[BatchKey(0, tuple(range(40)))]
    images, labels, _ = augment_batch(batch, 64, geometric)
    assert len(batch) == 40
    assert batch.images == [series.drawer.image(0, index) for index in range(40)]
    start, uneven = 0, 0
    for draw in batch.series:
        end = start + len(draw.frames)
        reference = start + draw.reference
        for other in range(start, end):
            assert (images[other] - images[reference]).abs().mean() < 0.02
            assert (labels[other] == labels[reference]).float().mean() > 0.9
        uneven += float(images[reference].std()) > 0.05
        start = end
    assert start == len(images) == 32 * 4 + 8
    assert uneven > 20  # equal images are not equal by chance


def test_all_images_of_a_series_may_count():
    draw = drawer(SeriesConfig(frames=3, predicted="all")).draw(0, 0)
    assert draw.predicted == tuple(range(len(draw.frames)))
    other = drawer(SeriesConfig(frames=3)).draw(0, 0)
    assert (draw.frames, draw.reference) == (other.frames, other.reference)


def sample(days, predicted):
    frames = tuple(SampleDraw(Window(0, 0, 0, 8, 8)) for _ in days)
    return SeriesDraw(frames, tuple(days), tuple(predicted), predicted[0])


def test_samples_of_several_lengths_stay_apart():
    series = [sample([3, 9], [1]), sample([5], [0]), sample([1, 2], [0]), sample([4, 4, 8], [2])]
    images = torch.rand(8, 1, 8, 8)
    network = TinySeriesNetwork(8)
    logits, places = series_logits(network, images, series)
    assert sorted(places) == [1, 2, 3, 7]
    assert {shape for shape, _ in network.seen} == {(1, 1, 8, 8), (2, 2, 8, 8), (1, 3, 8, 8)}
    start = 0
    for draw in series:
        end = start + len(draw.frames)
        alone = network.forward_series(images[None, start:end, 0], torch.tensor([draw.days]))[0]
        for place in draw.predicted:
            assert torch.equal(logits[places.index(start + place)], alone[place])
        start = end


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_validation_sees_the_nearest_images_of_the_store(tiny_store, frames):
    store = Store.open(tiny_store)
    recipe = TrainingConfig(series=SeriesConfig(frames=frames, predicted="all"))
    windows = validation_windows(recipe, 64, 16.0)
    assert windows.series == SeriesConfig(frames=frames)
    numbers = [i for i, scene in enumerate(store.scenes) if scene.split == "val"]
    network = TinySeriesNetwork().eval()
    whole = StoreValidation(store, numbers, windows)(network, torch.device("cpu"), 0, 1)
    assert whole.images == len(numbers)
    # All scenes of the tiny store differ in size: no other is on the grid of one.
    assert {shape[1] for shape, _ in network.seen} == {1}
    same = replace(store, scenes=tuple(replace(s, height=90, width=90) for s in store.scenes))
    network.seen.clear()
    StoreValidation(same, numbers[:1], windows)(network, torch.device("cpu"), 0, 1)
    # Of the glacier there are two more, three days apart.
    length = min(frames, 3)
    days = np.array([5844, 5846, 5848])[3 - length :]
    assert {tuple(d) for _, batch in network.seen for d in batch} == {tuple(days)}


TEMPORAL = TemporalTyrionConfig(**{**NETWORK.model_dump(), "name": "temporal_tyrion"})


def settings(**changes):
    series = SeriesConfig(frames=3, **changes)
    return FINETUNING.model_copy(update={"series": series, "epochs": 2})


@pytest.mark.slow
def test_a_training_on_series_resumes_with_the_same_bits(tiny_store, tmp_path, monkeypatch):
    """Loader processes change nothing either, and what is exported predicts."""
    recipe = settings(predicted="all").model_copy(
        update={"front_loss_weight": 1.0, "front_crop_probability": 0.5}
    )
    request = {"network": TEMPORAL, "recipe": recipe}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    finetune(finetuning(tiny_store, whole, **request))
    with monkeypatch.context() as patch:
        interrupt(patch, FinetuneModule, 1, 1)
        with pytest.raises(PowerCutError):
            finetune(finetuning(tiny_store, cut, **request))
    compute = ComputeConfig(train_threads=1, loader_workers=2)
    result = finetune(finetuning(tiny_store, cut, compute=compute, **request))
    assert result.resumed_after_epoch == 1
    assert rows(cut) == rows(whole)
    assert (cut / "model.ckpt").read_bytes() == (whole / "model.ckpt").read_bytes()
    network, info = load_network(whole / "model.ckpt")
    assert isinstance(network, SeriesNetwork)
    assert info["training"]["series"]["frames"] == 3
    temporal = [value for name, value in tensors(whole).items() if "_temporal" in name]
    assert any(value.abs().max() > 0 for value in temporal if value.ndim > 1)


@pytest.mark.slow
def test_what_counts_and_what_is_seen_matters(tiny_store, tmp_path):
    losses = set()
    changes = ({}, {"predicted": "all"}, {"window": "past"}, {"max_days": 1})
    for number, change in enumerate(changes):
        folder = tmp_path / str(number)
        finetune(finetuning(tiny_store, folder, network=TEMPORAL, recipe=settings(**change)))
        losses.add(tuple(column(folder, "train_loss")))
    assert len(losses) == len(changes)
