"""Choice of the device."""

from __future__ import annotations

import pytest
import torch

from ssl4sar.core.errors import UserError
from ssl4sar.models.device import resolve_device


def test_cpu_is_always_there() -> None:
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_what_is_there(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert resolve_device("auto").type == ("cuda" if there else "cpu")


def test_a_missing_gpu_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"compute\.device: there is no CUDA device"):
        resolve_device("cuda")
