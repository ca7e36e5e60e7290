"""The loss of fine-tuning; whole trainings are in ``test_finetune.py``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.train.finetune.crops import CropBatch
from ssl4sar.train.finetune.finetune_module import FinetuneModule
from ssl4sar.train.finetune.losses import SegmentationLoss, front_loss
from ssl4sar.train.loop.sampling import SampleDraw, Window


@pytest.fixture
def module():
    torch.manual_seed(0)
    config = TrainingConfig(target_px=32)
    return FinetuneModule(
        nn.Conv2d(1, 4, 1),
        input_px=64,
        config=config,
        seed=0,
        validate=lambda *_: pytest.fail("no validation is asked for"),
        images=["first", "second", "third"],
    )


def test_a_batch_has_one_loss_of_all_its_images(module):
    random = np.random.default_rng(0)
    image, labels = random.integers(0, 256, (64, 64)), random.integers(0, 4, (64, 64))
    pixels = torch.from_numpy(np.concatenate([image, labels]).astype(np.uint8).ravel())
    batch = CropBatch(pixels.repeat(2), tuple(SampleDraw(Window(n, 0, 0, 64, 64)) for n in (2, 0)))
    losses = module.sample_losses(batch)
    grey = torch.from_numpy(image / 255).float()[None, None].repeat(2, 1, 1, 1)
    known = torch.from_numpy(labels.astype(np.uint8))[None].repeat(2, 1, 1)
    expected = SegmentationLoss(32, 0.1, (1.0, 1.0, 1.0, 1.0), 1.0, 0.5)(
        module.network(grey), known
    )
    assert losses.losses.shape == (1,)
    assert losses.losses.item() == pytest.approx(expected.item())
    assert losses.names == ["third", "first"]


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (nn.Conv2d(1, 3, 1), r"\(1, 3, 64, 64\), not \(1, 4, 64, 64\)"),
        (nn.Conv2d(1, 4, 1, stride=2), r"\(1, 4, 32, 32\)"),
    ],
    ids=["channels", "size"],
)
def test_an_output_of_another_shape_is_refused_in_the_first_step(module, network, shape):
    module.network = network
    batch = CropBatch(
        torch.zeros(2 * 64 * 64, dtype=torch.uint8), (SampleDraw(Window(0, 0, 0, 64, 64)),)
    )
    with pytest.raises(UserError, match=shape):
        module.sample_losses(batch)


def test_the_loss_of_the_front_is_added_to_that_of_the_zones():
    config = TrainingConfig(target_px=64, front_loss_weight=0.5, front_band_px=0)
    torch.manual_seed(0)
    network = nn.Conv2d(1, 5, 1)
    module = FinetuneModule(
        network, input_px=64, config=config, seed=0, validate=pytest.fail, images=["only"]
    )
    random = np.random.default_rng(0)
    image, labels = random.integers(0, 256, (64, 64)), random.integers(0, 4, (64, 64))
    front = (random.random((64, 64)) < 0.1).astype(np.uint8)
    pixels = torch.from_numpy(np.concatenate([image, labels, front]).astype(np.uint8).ravel())
    batch = CropBatch(pixels, (SampleDraw(Window(0, 0, 0, 64, 64)),), with_fronts=True)
    logits = network(torch.from_numpy(image / 255).float()[None, None])
    known = torch.from_numpy(labels.astype(np.uint8))[None]
    zones = SegmentationLoss(64, 0.1)(logits[:, :4], known)
    of_front = front_loss(logits[:, 4], torch.from_numpy(front)[None])
    loss = module.sample_losses(batch).losses.item()
    assert loss == pytest.approx((zones + 0.5 * of_front).item())
