"""The step of the pretext tasks: losses per sample, masks by sample, validation summed up."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from synthetic_pairs import SyntheticPairs

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.models.optsimmim import OptSimMIM
from ssl4sar.models.opttranslator import OptTranslator
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.pretext.pair_crops import PairDataset
from ssl4sar.train.pretext.pair_resize import pairs_on_device
from ssl4sar.train.pretext.pair_sampling import PairSampleDrawer
from ssl4sar.train.pretext.pair_tiles import PretextTotals
from ssl4sar.train.pretext.pretrain_module import PretextScore, PretrainModule

MODEL = TyrionConfig(
    input_px=64,
    embed_dim=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_tokens=4,
    dropout=0.0,
)
STORE = SyntheticPairs(((70, 90), (40, 130)), no_data=0.02)


def module(config, validate=None, seed=3):
    torch.manual_seed(0)
    masks = isinstance(config, OptSimMIMConfig)
    network = OptSimMIM(MODEL) if masks else OptTranslator(MODEL)
    return PretrainModule(
        network.eval(),
        input_px=64,
        config=config,
        seed=seed,
        block="optsimmim" if masks else "opttranslator",
        validate=validate,
        pictures=None,
    )


def batch(config, samples, epoch=0, seed=3):
    drawer = PairSampleDrawer(STORE.sizes_px, input_px=64, config=config, seed=seed)
    return PairDataset(STORE, (0, 1), drawer)[BatchKey(epoch, samples)]


@pytest.mark.parametrize("config", [OptSimMIMConfig(), OptTranslatorConfig()], ids=["mim", "trans"])
def test_a_loss_per_sample_whatever_else_is_in_the_batch(config):
    made = module(config)
    together = made.sample_losses(batch(config, (0, 1, 2)))
    assert together.losses.shape == (3,)
    assert len(together.names) == 3
    for number, sample in enumerate((0, 1, 2)):
        alone = made.sample_losses(batch(config, (sample,)))
        assert alone.losses.item() == pytest.approx(together.losses[number].item(), rel=1e-5)
        assert alone.names == (together.names[number],)


def test_pixels_without_data_shrink_the_sum_but_not_the_denominator():
    config = OptTranslatorConfig()
    made, pairs = module(config), batch(config, (0,))
    images = pairs_on_device(pairs, 64)
    share = images.valid.float().mean().item()
    assert 0.3 < share < 0.95
    with torch.no_grad():
        difference = (made.network.picture(images.sar) - images.optical).abs()
        expected = (difference * images.valid).sum() / (14 * 64 * 64)
    assert made.sample_losses(pairs).losses.item() == pytest.approx(expected.item(), rel=1e-5)
    learns_zeros = module(OptTranslatorConfig(ignore_no_data=False))
    everything = learns_zeros.sample_losses(pairs).losses.item()
    assert everything == pytest.approx(difference.mean().item(), rel=1e-5)


def scored(monkeypatch, made, *, summed):
    trainer = SimpleNamespace(
        world_size=2, strategy=SimpleNamespace(reduce=lambda sums, reduce_op: sums + summed)
    )
    monkeypatch.setattr(PretrainModule, "trainer", trainer)
    monkeypatch.setattr(PretrainModule, "global_rank", 1)
    monkeypatch.setattr(PretrainModule, "current_epoch", 4)
    return made.score(made.network)


def test_the_validation_loss_is_that_of_all_processes(monkeypatch):
    asked = []

    def validate(network, device, rank, world_size, epoch):
        asked.append((device.type, rank, world_size, epoch))
        return PretextTotals(10.0, 100, 2)

    made = module(OptTranslatorConfig(), validate)
    score = scored(monkeypatch, made, summed=torch.tensor([20.0, 50.0, 1.0]))
    assert asked == [("cpu", 1, 2, 4)]
    assert score == PretextScore(loss=30 / 150, tiles=3)
    assert made.validation_losses == [30 / 150]


def test_a_score_is_built_again_from_its_values():
    score = PretextScore(0.125, 3)
    assert PretextScore(**asdict(score)) == score
    assert len(score.row()) == len(PretextScore.COLUMNS)
    assert score.logged() == {"val/loss": 0.125}
    assert score.text() == "validation loss 0.1250"


def test_a_tie_keeps_the_earlier_epoch():
    assert PretextScore(0.1, 3).is_better("best_loss", PretextScore(0.2, 3))
    assert not PretextScore(0.2, 3).is_better("best_loss", PretextScore(0.2, 3))
