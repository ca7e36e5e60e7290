"""OptTranslator: size, loss over everything that has data, gradients everywhere."""

from __future__ import annotations

import pytest
import torch

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.models.opttranslator import OptTranslator

TINY = TyrionConfig(
    input_px=64,
    embed_dim=8,
    depths=(2, 1, 1, 1),
    num_heads=(1, 2, 2, 4),
    window_tokens=4,
    dropout=0.0,
    legacy_post_norm_ones=True,
)


def parameter_count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def task():
    torch.manual_seed(0)
    return OptTranslator(TINY)


@pytest.fixture
def pair():
    random = torch.Generator().manual_seed(1)
    return torch.rand(2, 1, 64, 64, generator=random), torch.rand(2, 14, 64, 64, generator=random)


@pytest.mark.slow
def test_the_paper_network_has_the_published_size():
    task = OptTranslator(TyrionConfig())
    assert parameter_count(task) == 50_033_614 - 388 + 96 * 14 + 14
    assert parameter_count(task) == 50_872_572 - 837_600 - 388 - 384 + 384
    assert tuple(task.network.head.weight.shape) == (14, 96, 1, 1)


def test_the_error_is_the_plain_l1_loss_where_all_is_valid(task, pair):
    sar, optical = pair
    with torch.no_grad():
        expected = torch.nn.functional.l1_loss(task.network(sar), optical)
        for valid in (None, torch.ones(2, 1, 64, 64, dtype=torch.bool)):
            errors = task.errors(sar, optical, valid)
            torch.testing.assert_close(errors.losses().mean(), expected)
            assert errors.positions == 14 * 64 * 64
            assert errors.counted.tolist() == [errors.positions] * 2


def test_pixels_without_data_do_not_count(task, pair):
    sar, optical = pair
    valid = torch.ones(2, 1, 64, 64, dtype=torch.bool)
    valid[0, 0, :, 32:] = False
    with torch.no_grad():
        predicted = task.picture(sar)
        errors = task.errors(sar, optical, valid)
        changed = torch.where(valid, optical, 1 - optical)
        assert torch.equal(task.errors(sar, changed, valid).absolute, errors.absolute)
    difference = (predicted - optical).abs()
    assert errors.counted.tolist() == [14 * 64 * 32, 14 * 64 * 64]
    expected = torch.stack([difference[0, :, :, :32].sum(), difference[1].sum()])
    torch.testing.assert_close(errors.absolute, expected)
    torch.testing.assert_close(errors.losses().mean(), expected.sum() / (2 * 14 * 64 * 64))


def test_gradients_reach_every_parameter(task, pair):
    task.errors(*pair, None).losses().mean().backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


def test_a_mask_is_refused(task, pair):
    with pytest.raises(ValueError, match="masks nothing"):
        task.errors(*pair, None, torch.zeros(2, 256, dtype=torch.bool))
