"""Sums of absolute errors, and the loss that is additive over samples."""

from __future__ import annotations

import pytest
import torch

from ssl4sar.models.pretext import absolute_errors


def test_errors_at_pixels_without_data_do_not_count():
    difference = torch.tensor([[[1.0, -2.0], [3.0, -4.0]]])
    valid = torch.tensor([[[True, False]]])
    errors = absolute_errors(difference, valid, channel_dim=1)
    assert errors.absolute.tolist() == [4.0]
    assert errors.counted.tolist() == [2]
    assert errors.positions == 4


@pytest.mark.parametrize("channel_dim", [1, -1])
def test_no_gradient_reaches_pixels_without_data(channel_dim):
    difference = torch.randn(3, 4, 4, requires_grad=True)
    valid = torch.ones(3, 4, 4, dtype=torch.bool).narrow(channel_dim, 0, 1).clone()
    valid[0, 0, 0] = False
    absolute_errors(difference, valid, channel_dim).losses().mean().backward()
    expected = torch.sign(difference.detach()) * valid / 16 / 3
    torch.testing.assert_close(difference.grad, expected)


def test_the_loss_of_a_batch_is_that_of_its_parts():
    difference = torch.randn(6, 14, 8, 8)
    valid = torch.rand(6, 1, 8, 8) > 0.3
    whole = absolute_errors(difference, valid, 1).losses().mean()
    parts = [
        absolute_errors(difference[part], valid[part], 1).losses().mean() * len(part) / 6
        for part in ([0, 1], [2, 3, 4], [5])
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_without_any_data_the_loss_is_zero():
    errors = absolute_errors(torch.ones(1, 2, 2), torch.zeros(1, 1, 2, dtype=torch.bool), 1)
    assert errors.losses().mean() == 0
    assert errors.counted.tolist() == [0]
