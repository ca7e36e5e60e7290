"""Tyrion: a SwinV2 encoder, a residual convolutional decoder and a 1x1 head.

Source: SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945); encoder: Swin Transformer
V2 (Liu et al. 2022, arXiv:2111.09883) in the implementation of timm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import timm
import torch
from torch import Tensor, nn

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.models.attention import fold_attention, stage_windows
from ssl4sar.models.blocks import UpBlock, doubled_head
from ssl4sar.models.network import ZoneNetwork, grey_power
from ssl4sar.models.tyrion_weights import load_weights

__all__ = ["Tyrion", "build", "build_encoder", "load_weights"]

ENCODER_NAME: Final = "swinv2_tiny_window16_256"
ENCODER_CHANNELS: Final = 3


def build_encoder(config: TyrionConfig) -> nn.Module:
    """Build the SwinV2 encoder with random weights.

    The input size goes to the constructor: timm's ``set_input_size`` would scale the attention
    windows with the image and so make another network.

    Returns:
        Module that maps (B, 3, P, P), P = ``config.input_px``, to four maps (B, P/s, P/s, C) with
        s = 4, 8, 16, 32 and C = 1, 2, 4, 8 times ``config.embed_dim``, each taken after the blocks
        of its stage and before patch merging, without a final normalisation.

    Raises:
        RuntimeError: timm built other attention windows than the configuration asks for.
    """
    encoder: nn.Module = timm.create_model(
        ENCODER_NAME,
        pretrained=False,
        features_only=True,
        in_chans=ENCODER_CHANNELS,
        img_size=config.input_px,
        window_size=config.window_tokens,
        embed_dim=config.embed_dim,
        depths=config.depths,
        num_heads=config.num_heads,
        drop_path_rate=0.0,
    )
    wanted = stage_windows(config)
    if attention_windows(encoder) != wanted:
        raise RuntimeError(
            f"timm {timm.__version__} built attention windows {attention_windows(encoder)} "
            f"instead of {wanted}"
        )
    if config.legacy_post_norm_ones:
        for stage in encoder_stages(encoder):
            for block in stage.blocks:
                nn.init.ones_(block.norm1.weight)
                nn.init.ones_(block.norm2.weight)
    fold_attention(encoder)
    return encoder


def encoder_stages(encoder: nn.Module) -> list[Any]:
    """Return timm's stages of an encoder, in the order of the data flow."""
    return [module for name, module in encoder.named_children() if name.startswith("layers_")]


def attention_windows(encoder: nn.Module) -> tuple[int, ...]:
    """Return the side of the attention window of each stage, tokens; 0 where blocks disagree."""
    sides = [
        {side for block in stage.blocks for side in (*block.window_size, *block.attn.window_size)}
        for stage in encoder_stages(encoder)
    ]
    return tuple(stage.pop() if len(stage) == 1 else 0 for stage in sides)


class Decoder(nn.Module):
    """Six residual blocks from the deepest encoder map up to the full resolution.

    Block 0 works on the deepest map; blocks 1-4 take the previous output joined with the encoder
    map of that resolution (the deepest map thus enters twice); block 5 has no skip. Blocks 1-5
    double the resolution.

    Args:
        embed_dim: channels C of the first encoder map and of the output.
        dropout: dropout probability of the residual blocks, 0-1.
    """

    def __init__(self, embed_dim: int, dropout: float) -> None:
        super().__init__()
        widths = [embed_dim << stage for stage in range(4)]
        blocks = [UpBlock(widths[3], widths[3], dropout, upsample=False)]
        for stage in (3, 2, 1, 0):
            blocks.append(UpBlock(2 * widths[stage], widths[max(stage - 1, 0)], dropout))
        blocks.append(UpBlock(embed_dim, embed_dim, dropout))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, features: Sequence[Tensor], head: nn.Conv2d) -> Tensor:
        """Decode the encoder maps.

        Args:
            features: four tensors (B, C << i, P/(4 << i), P/(4 << i)), shallowest first.
            head: 1x1 convolution with K outputs that follows the last upsampling.

        Returns:
            (B, K, P, P).
        """
        first, *joined, last = self.blocks
        x: Tensor = first(features[-1])
        for block, skip in zip(joined, reversed(features), strict=True):
            x = block(torch.cat((x, skip), dim=1))
        # Block 5 ends in the head: see there why its doubled features are never made.
        assert isinstance(last, UpBlock)
        assert last.up_conv is not None
        return doubled_head(last.residual(x), last.up_conv, head)


class Tyrion(ZoneNetwork):
    """The network; ``encoder``, ``decoder`` and ``head`` can be used and replaced separately.

    Args:
        config: size of the network.
        out_channels: channels of the output (four zones in fine-tuning).
    """

    def __init__(self, config: TyrionConfig, out_channels: int = CLASS_COUNT) -> None:
        super().__init__()
        self.input_px = config.input_px
        self.out_channels = out_channels
        self.input_gamma = config.input_gamma
        self.encoder = build_encoder(config)
        # The encoder's maps are channels-last in memory; convolutions in that order save copies.
        self.decoder = Decoder(config.embed_dim, config.dropout).to(
            memory_format=torch.channels_last
        )
        self.head = nn.Conv2d(config.embed_dim, out_channels, 1)

    def encode(self, image: Tensor, masked: Tensor | None = None) -> list[Tensor]:
        """Return the four encoder maps of an image.

        Args:
            image: (B, 1, P, P) float, values 0-1; grey, to the power ``input_gamma``, is repeated
                to the encoder's 3 channels.
            masked: (B, (P/4)^2) bool, row by row: tokens that become the zero vector after the
                normalisation of the patch embedding, so that nothing of their pixels is left.

        Returns:
            Four tensors (B, C << i, P/(4 << i), P/(4 << i)), shallowest first.

        Raises:
            ValueError: the image or the mask has another size than the network.
        """
        expected = (1, self.input_px, self.input_px)
        if image.ndim != 4 or tuple(image.shape[1:]) != expected:
            raise ValueError(f"expected images (B, *{expected}), got {tuple(image.shape)}")
        # The modules of timm's feature extractor one by one, to reach in between.
        encoder: Any = self.encoder
        grey = grey_power(image, self.input_gamma)
        tokens: Tensor = encoder.patch_embed(grey.expand(-1, ENCODER_CHANNELS, -1, -1))
        if masked is not None:
            batch, rows, columns, _ = tokens.shape
            if tuple(masked.shape) != (batch, rows * columns):
                raise ValueError(
                    f"expected a mask ({batch}, {rows * columns}), got {tuple(masked.shape)}"
                )
            tokens = tokens.masked_fill(masked.view(batch, rows, columns, 1), 0)
        maps = []
        for stage in encoder_stages(encoder):
            tokens = stage(tokens)
            maps.append(tokens)
        return [channels_last.permute(0, 3, 1, 2) for channels_last in maps]

    def forward(self, image: Tensor, masked: Tensor | None = None) -> Tensor:
        """Return logits.

        Args:
            image: (B, 1, P, P) float, values 0-1.
            masked: (B, (P/4)^2) bool, tokens that the network does not see; None: it sees all.

        Returns:
            (B, out_channels, P, P) float.

        Raises:
            ValueError: the image or the mask has another size than the network.
        """
        logits: Tensor = self.decoder(self.encode(image, masked), self.head)
        return logits


#: Builds the network of settings with random weights, in training mode on the CPU.
build = Tyrion
