"""Opening a provider by its name; libraries that are not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from ssl4sar.acquire.providers.choose import LIBRARIES, open_provider
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.services import Services
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError


def services(**blocks: Any) -> Services:
    config = StudyConfig.model_validate({"name": "test", **blocks})
    return Services.of_job(config.model_dump(mode="json"))


def test_the_embedded_default_is_synthetic() -> None:
    provider = open_provider(StudyConfig(name="test").sentinel.provider, services())
    assert provider.name == "synthetic"
    assert provider.missions == {"sentinel-1", "sentinel-2"}


@pytest.mark.parametrize("name", get_args(ProviderName))
def test_every_provider_of_the_configuration_is_opened(name: ProviderName, tmp_path: Path) -> None:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name][0])
    blocks = {
        "sentinel": {"provider": name} | ({"root": str(tmp_path)} if name == "local" else {}),
        "dhus": {"hub_url": "https://hub.example.org"},
        "optical": {"count": 0},
    }
    provider = open_provider(name, services(**blocks))
    assert provider.name == name
    assert "sentinel-1" in provider.missions
    assert ("sentinel-2" in provider.missions) is (name != "asf")


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_missing_library_is_told_with_the_command_that_installs_it(
    name: ProviderName, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, extra = LIBRARIES[name]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError) as caught:
        open_provider(name, services())
    assert str(caught.value).startswith(f"sentinel.provider: {name}: it needs")
    assert library in str(caught.value)
    assert caught.value.fix == f'pip install -e ".[{extra}]"'
    assert "\n" not in str(caught.value)


def test_unknown_name_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no provider 'hub'"):
        open_provider("hub", services())  # type: ignore[arg-type]
