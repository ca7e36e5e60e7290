"""Every provider offers what the interface says, under the name of the configuration."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args

import pytest

from ssl4sar.acquire.providers.base import MissingProductError, Provider
from ssl4sar.acquire.providers.choose import open_provider
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.services import (
    AsfConfig,
    CdseConfig,
    DhusConfig,
    ElevationConfig,
    Services,
    StacConfig,
)
from ssl4sar.core.errors import UserError


@pytest.mark.parametrize("name", get_args(ProviderName))
def test_a_provider_is_what_the_interface_says(
    name: ProviderName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DHUS_USERNAME", "DHUS_PASSWORD", "EARTHDATA_TOKEN"):
        monkeypatch.setenv(variable, "x")
    services = Services(
        cdse=CdseConfig(),
        dhus=DhusConfig(hub_url="https://hub.example.org"),
        asf=AsfConfig(),
        stac=StacConfig(),
        root=str(tmp_path),
        pair_scene=PairSceneConfig(),
        elevation=ElevationConfig(),
    )
    provider = open_provider(name, services)
    assert provider.name == name
    assert provider.missions <= {"sentinel-1", "sentinel-2"}
    assert "sentinel-1" in provider.missions
    assert ("sentinel-2" in provider.missions) == (name != "asf")
    for method in ("search", "fetch"):
        offered = inspect.signature(getattr(provider, method)).parameters
        wanted = list(inspect.signature(getattr(Provider, method)).parameters)[1:]
        assert list(offered)[: len(wanted)] == wanted


def test_a_missing_product_is_a_mistake_that_can_be_told() -> None:
    error = MissingProductError("S1A", "it is gone", "ask")
    assert isinstance(error, UserError)
    assert str(error) == "S1A: it is gone; ask"
