"""OptSimMIM: size, loss on masked tokens alone, gradients everywhere but in a class head."""

from __future__ import annotations

import pytest
import torch

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.core.seeding import generator
from ssl4sar.models.optsimmim import OptSimMIM
from ssl4sar.models.token_mask import draw_token_mask, masked_tokens

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
    return OptSimMIM(TINY)


@pytest.fixture
def pair():
    random = torch.Generator().manual_seed(1)
    return torch.rand(2, 1, 64, 64, generator=random), torch.rand(2, 14, 64, 64, generator=random)


@pytest.fixture
def masked():
    draws = (generator(0, "token mask", 0, sample) for sample in (0, 1))
    return masked_tokens([draw_token_mask(random, 256, 0.3) for random in draws])


def pixels(masked):
    """(B, 1, S, S) bool: pixels of masked tokens."""
    grid = torch.zeros(len(masked), 256, dtype=torch.bool).scatter(1, masked.long(), True)
    grid = grid.view(-1, 1, 16, 16)
    return grid.repeat_interleave(4, 2).repeat_interleave(4, 3)


@pytest.mark.slow
def test_the_paper_network_has_the_published_size():
    task = OptSimMIM(TyrionConfig())
    assert parameter_count(task.network.head) == 291
    assert parameter_count(task.embedding) == 4_896
    assert parameter_count(task.readout) == 21_728
    assert parameter_count(task) == 50_033_614 - 388 + 291 + 4_896 + 21_728
    # The published total also holds the class head, layers without use and the mask token.
    assert parameter_count(task) == 50_898_225 - 388 - 837_600 - 96
    assert task.tokens == 16_384


def test_the_error_is_the_plain_l1_loss_at_masked_pixels(task, pair, masked):
    sar, optical = pair
    with torch.no_grad():
        errors = task.errors(sar, optical, None, masked)
        picture = task.picture(sar, masked)
    where = pixels(masked).expand_as(optical)
    expected = torch.nn.functional.l1_loss(picture[where], optical[where])
    torch.testing.assert_close(errors.losses().mean(), expected)
    assert masked.shape == (2, 77)
    assert errors.positions == 77 * 16 * 14
    assert errors.counted.tolist() == [errors.positions] * 2
    assert bool((picture[~where] == 0).all())
    assert bool((picture[where] != 0).all())


def test_pixels_under_the_mask_are_not_seen(task, pair, masked):
    sar, optical = pair
    sar.requires_grad_()
    task.errors(sar, optical, None, masked).losses().mean().backward()
    assert bool((sar.grad[pixels(masked)] == 0).all())
    assert bool((sar.grad[~pixels(masked)] != 0).any())


def test_pixels_without_data_do_not_count(task, pair, masked):
    sar, optical = pair
    valid = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(2)) > 0.4
    with torch.no_grad():
        errors = task.errors(sar, optical, valid, masked)
        changed = torch.where(valid, optical, 1 - optical)
        assert torch.equal(task.errors(sar, changed, valid, masked).absolute, errors.absolute)
        picture = task.picture(sar, masked)
    counts = valid & pixels(masked)
    assert errors.counted.tolist() == (14 * counts.sum(dim=(1, 2, 3))).tolist()
    assert errors.positions == 77 * 16 * 14
    expected = ((picture - optical).abs() * counts).sum(dim=(1, 2, 3))
    torch.testing.assert_close(errors.absolute, expected)


def test_gradients_reach_every_parameter(task, pair, masked):
    task.errors(*pair, None, masked).losses().mean().backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


def test_values_are_read_out_by_row_column_and_channel(task, pair, masked):
    """With the weights of the readout at zero its bias alone is the predicted token."""
    with torch.no_grad():
        task.readout.weight.zero_()
        token = torch.arange(224) / 224
        task.readout.bias.copy_(token)
        picture = task.picture(pair[0], masked)
        cell = token.view(4, 4, 14).permute(2, 0, 1)
        optical = cell.tile(1, 16, 16).expand(2, -1, -1, -1)
        assert bool((task.errors(pair[0], optical, None, masked).absolute == 0).all())
    assert torch.equal(picture, optical * pixels(masked))
    row, column, channel = 2, 1, 9
    assert cell[channel, row, column] == token[(row * 4 + column) * 14 + channel]


def test_masks_are_required_and_checked(task, pair):
    with pytest.raises(ValueError, match="needs a mask"):
        task.errors(*pair, None, None)
    for wrong in (
        torch.zeros(2, 256, dtype=torch.bool),
        torch.zeros(3, 77, dtype=torch.int32),
        torch.zeros(77, dtype=torch.int32),
    ):
        with pytest.raises(ValueError, match="numbers of the masked tokens of 2 images"):
            task.picture(pair[0], wrong)
