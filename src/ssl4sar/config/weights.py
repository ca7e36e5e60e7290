"""Where the ImageNet weights come from that the workflow fetches."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from ssl4sar.config.block import Block
from ssl4sar.config.web_address import WebAddress

#: Swin V2-T of Liu et al. 2022, window 16, trained on ImageNet-1K at 256 px, in timm's layout.
HUB_REPOSITORY: Final = "timm/swinv2_tiny_window16_256.ms_in1k"


class WeightsConfig(Block):
    """ImageNet weights to fetch (for `weights: imagenet` without a file of the user's)."""

    url: WebAddress = f"https://huggingface.co/{HUB_REPOSITORY}/resolve/main/model.safetensors"
    """Address of the safetensors file; a branch is pinned to its commit when it is fetched."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected SHA-256; null takes the hash that the hub announces."""
