"""What every training shares, on the smallest one: a line through points."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from torch import nn

from ssl4sar.config.pretext import OptTranslatorConfig
from ssl4sar.core.errors import UserError
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.module import SampleLosses, TrainingModule

KEY = BatchKey(0, (0, 1, 2))


@dataclass(frozen=True)
class Numbers:
    """A batch of numbers."""

    values: torch.Tensor
    names: tuple[str, ...]
    key: BatchKey = KEY

    def __len__(self):
        return len(self.values)


@dataclass(frozen=True)
class Loss:
    """A score."""

    COLUMNS: ClassVar[tuple[str, ...]] = ("val_loss",)
    CRITERIA: ClassVar[tuple[str, ...]] = ("best_loss",)
    value: float

    def logged(self):
        return {"val/loss": self.value}


class Line(TrainingModule):
    def sample_losses(self, batch):
        return SampleLosses(self.network(batch.values)[:, 0].abs(), batch.names)

    def score(self, network):
        return Loss(float(network.weight.detach().abs()))


@pytest.fixture
def line():
    torch.manual_seed(0)
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    module = Line(network, config=OptTranslatorConfig(epochs=3), seed=1, block="opttranslator")
    module.on_train_epoch_start()
    return module


def test_the_loss_of_a_batch_is_the_mean_times_its_weight(line, monkeypatch):
    monkeypatch.setattr(type(line), "current_epoch", 0)
    values = torch.tensor([[1.0], [2.0]])
    assert line.training_step(Numbers(values, ("a", "b")), 0).item() == 3.0
    assert (
        line.training_step(Numbers(values, ("a", "b"), KEY._replace(weight=0.5)), 1).item() == 1.5
    )


def test_the_image_of_a_loss_that_is_not_finite_is_named(line, monkeypatch):
    monkeypatch.setattr(type(line), "current_epoch", 4)
    line.training_step(Numbers(torch.ones(2, 1), ("a", "b")), 0)
    bad = torch.tensor([[1.0], [float("inf")], [1.0]])
    with pytest.raises(UserError) as caught:
        # The second step of the third of four processes.
        line.training_step(Numbers(bad, ("a", "b", "c"), BatchKey(4, (18, 19, 20), number=6)), 1)
    line_told = str(caught.value)
    assert "the loss became inf in epoch 5, batch 7, image b (sample 20);" in line_told
    assert line_told.endswith(
        "; look at the image, lower opttranslator.learning_rate or set "
        "opttranslator.gradient_clip_norm; it then starts again, the state after epoch 4 is set "
        "aside in its resume folder; or end with that state by opttranslator.epochs: 4"
    )


def test_an_end_is_promised_only_where_there_is_one(line, monkeypatch):
    monkeypatch.setattr(type(line), "current_epoch", 4)
    recipe = line.recipe
    for change, can_end in (
        ({"schedule": "cosine"}, False),
        ({"validate_every_epochs": 5}, False),
        ({"validate_every_epochs": 5, "checkpoint": "last"}, True),
    ):
        line.recipe = recipe.model_copy(update=change)
        assert ("epochs: 4" in str(line.diverged("all is lost"))) == can_end


def test_a_loss_that_samples_share_names_them_all(line, monkeypatch):
    monkeypatch.setattr(type(line), "current_epoch", 0)
    shared = SampleLosses(torch.tensor([float("nan")]), tuple("abcdef"))
    monkeypatch.setattr(line, "sample_losses", lambda batch: shared)
    batch = Numbers(torch.ones(6, 1), tuple("abcdef"), BatchKey(0, tuple(range(6))))
    with pytest.raises(UserError, match=r"image a \(sample 1\), .*, d \(sample 4\) and 2 more;"):
        line.training_step(batch, 0)


def test_processes_share_the_statistics_of_batches_before_they_validate(monkeypatch):
    class Strategy:
        def reduce(self, own, reduce_op):
            return (own + 3.0) / 2 if reduce_op == "mean" else own  # the other process has 3

    config = OptTranslatorConfig(epochs=3, ema_decay=0.9)
    module = Line(nn.Sequential(nn.BatchNorm1d(1)), config=config, seed=1, block="opttranslator")
    monkeypatch.setattr(type(module), "current_epoch", 0)
    monkeypatch.setattr(module, "log_dict", lambda *args, **kwargs: None)
    scored = []
    monkeypatch.setattr(
        module, "score", lambda network: scored.append(network[0].running_mean.item()) or Loss(1.0)
    )
    module.trainer = SimpleNamespace(world_size=2, global_step=4, strategy=Strategy())
    monkeypatch.setattr(type(module), "device", torch.device("cpu"))
    module.on_train_epoch_start()
    module._weights, module._losses = [1.0], [1.0]
    module.network[0].running_mean.fill_(1.0)
    module.on_train_epoch_end()
    assert scored == [2.0]
    assert module.network[0].running_mean.item() == 2.0
