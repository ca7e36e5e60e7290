"""Where a network runs."""

from __future__ import annotations

from typing import Literal

import torch

from ssl4sar.core.errors import UserError


def resolve_device(name: Literal["cpu", "cuda", "auto"]) -> torch.device:
    """Return the device that a configuration names.

    Args:
        name: cpu, cuda, or auto for a GPU where there is one.

    Raises:
        UserError: cuda is asked for and there is none.
    """
    if name == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if name == "cuda":
        raise UserError(
            "compute.device", "there is no CUDA device", "use cpu or auto, or ask for a GPU"
        )
    return torch.device("cpu")
