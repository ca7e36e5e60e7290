"""What all networks share: the power of the grey values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import NetworkSettings, network_settings
from ssl4sar.core.errors import UserError
from ssl4sar.models.checkpoint import save_network
from ssl4sar.models.registry import build_network, load_weights

TYRION = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_tokens": 4}
NETWORKS: list[dict[str, Any]] = [
    {"name": "tyrion", **TYRION},
    {"name": "temporal_tyrion", **TYRION},
    {"name": "aspp_unet", "first_channels": 4, "levels": 3},
]


def settings(values: dict[str, Any], **changes: Any) -> NetworkSettings:
    return network_settings({"input_px": 64, **values, **changes})


@pytest.mark.parametrize("values", NETWORKS, ids=lambda values: values["name"])
def test_grey_values_are_raised_to_the_power_first(values: dict[str, Any]) -> None:
    plain = build_network(settings(values)).eval()
    lifted = build_network(settings(values, input_gamma=0.5)).eval()
    lifted.load_state_dict(plain.state_dict())
    image = torch.rand(2, 1, 64, 64)
    image[0, 0, 0, 0] = 0.0
    torch.testing.assert_close(lifted(image), plain(image.sqrt()), rtol=0, atol=0)
    assert not torch.equal(lifted(image), plain(image))
    image[0, 0, 0, 0] = -0.01  # as resampling leaves it at an edge
    torch.testing.assert_close(lifted(image), plain(image.clamp(min=0).sqrt()), rtol=0, atol=0)


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "older file"])
def test_weights_for_another_power_are_refused(tmp_path: Path, stated: bool) -> None:
    made, path = settings(NETWORKS[0], input_gamma=1.0), tmp_path / "tyrion.pt"
    save_network(path, build_network(made), made, {})
    if not stated:
        content = torch.load(path, weights_only=True)
        del content["network"]["input_gamma"]
        torch.save(content, path)
    weights = StartingWeights(kind="checkpoint", file=str(path))
    load_weights(build_network(made), made, weights)
    wanted = settings(NETWORKS[0], input_gamma=0.5)
    with pytest.raises(UserError, match=r"network\.input_gamma 1\.0, where 0\.5 is needed"):
        load_weights(build_network(wanted), wanted, weights)
