"""Size, shapes and behaviour of the benchmark's U-Net."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ssl4sar.models.aspp_unet import AsppUnet, AtrousPyramid


def small(**changes: object) -> AsppUnet:
    return AsppUnet(**{"input_px": 32, "first_channels": 4, "levels": 3, **changes})


def test_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        network = AsppUnet()
        assert sum(p.numel() for p in network.parameters()) == 19_307_012
        assert network(torch.empty(2, 1, 256, 256)).shape == (2, 4, 256, 256)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_any_depth_keeps_the_size_of_the_image(levels: int) -> None:
    network = small(levels=levels, out_channels=5).eval()
    assert network(torch.rand(1, 1, 32, 32)).shape == (1, 5, 32, 32)


def test_every_parameter_learns() -> None:
    network = small()
    network(torch.rand(2, 1, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    # The biases in front of a normalisation cannot change anything; all else does.
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(w.grad.abs().max() > 0 for w in weights)


def test_the_pyramid_sees_the_whole_map() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(3, (1, 2), 0.5).eval()
    x = torch.rand(1, 3, 24, 24, requires_grad=True)
    pyramid(x)[0, :, 0, 0].sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).any(dim=1).all()


def test_scenes_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected images"):
        small()(torch.rand(1, 1, 32, 48))
    with pytest.raises(ValueError, match="halved"):
        small(input_px=30)
