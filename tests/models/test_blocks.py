"""Decoder blocks, and their rearranged upsampling against the written-out one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ssl4sar.models.blocks import (
    doubled_convolution,
    doubled_head,
    group_count,
)


@pytest.mark.parametrize(
    ("channels", "groups"), [(96, 32), (1536, 32), (32, 32), (24, 24), (36, 18), (8, 8), (1, 1)]
)
def test_group_count(channels: int, groups: int) -> None:
    assert group_count(channels) == groups


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def gradients(output: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return list(torch.autograd.grad((output * weights).sum(), inputs))


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 3, 1, 1), (1, 3, 2, 7)])
def test_doubled_convolution_is_upsampling_then_convolution(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3, padding=1).double()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    ours, plain = doubled_convolution(x, conv), conv(doubled(x))
    torch.testing.assert_close(ours, plain)
    inputs = (x, *conv.parameters())
    for a, b in zip(gradients(ours, *inputs), gradients(plain, *inputs), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 3, 1, 1), (1, 3, 2, 7)])
@pytest.mark.parametrize("bias", [True, False])
def test_doubled_head_is_upsampling_convolution_and_head(
    shape: tuple[int, ...], bias: bool
) -> None:
    torch.manual_seed(0)
    conv, head = nn.Conv2d(3, 3, 3, padding=1).double(), nn.Conv2d(3, 5, 1, bias=bias).double()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    ours, plain = doubled_head(x, conv, head), head(conv(doubled(x)))
    torch.testing.assert_close(ours, plain)
    inputs = (x, *conv.parameters(), *head.parameters())
    for a, b in zip(gradients(ours, *inputs), gradients(plain, *inputs), strict=True):
        torch.testing.assert_close(a, b)


def test_composed_kernels_are_exact_under_mixed_precision() -> None:
    """Only the convolution itself is rounded to bfloat16, not the sums of the kernels."""
    torch.manual_seed(0)
    conv, head = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 4, 1)
    x = torch.randn(1, 16, 8, 8)
    with torch.no_grad():
        expected = head(conv(doubled(x)))
        with torch.autocast("cpu", torch.bfloat16):
            result = doubled_head(x, conv, head)
            written_out = head(conv(doubled(x)))
    error = (result.float() - expected).abs().mean()
    assert error <= (written_out.float() - expected).abs().mean()
