"""Multi-temporal Tyrion: Tyrion with layers between its own that look along a series of images.

Source: Dreier et al. 2026, ISPRS Journal 239, 276-290, arXiv:2512.11560. The weights of a Tyrion in
it are named and shaped as there, apart from those of the lean decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import TemporalTyrionConfig
from ssl4sar.core.progress import log
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.models import tyrion_weights
from ssl4sar.models.blocks import UpBlock, doubled_convolution, doubled_head
from ssl4sar.models.network import SeriesNetwork, grey_power
from ssl4sar.models.starting import WeightsReport
from ssl4sar.models.temporal_blocks import BLOCKS, TemporalBlock
from ssl4sar.models.tyrion import ENCODER_CHANNELS, Decoder, Tyrion, build_encoder, encoder_stages

#: Blocks of the decoder with a temporal block: the last two work on large maps.
TEMPORAL_UP_BLOCKS: Final = 4


class LeanDecoder(nn.Module):
    """Tyrion's decoder with a third of its width, without the deepest map as a skip.

    Args:
        embed_dim: channels C of the first encoder map; the output has C // 3.
        dropout: dropout probability of the residual blocks, 0-1.
    """

    def __init__(self, embed_dim: int, dropout: float) -> None:
        super().__init__()
        base = embed_dim // 3
        widths = [8 * base, 4 * base, 2 * base, base, base]
        skips = [0, 4 * embed_dim, 2 * embed_dim, embed_dim]
        blocks = [UpBlock(8 * embed_dim, widths[0], dropout, upsample=False)]
        for (before, after), skip in zip(pairwise(widths), skips, strict=True):
            blocks.append(UpBlock(before + skip, after, dropout))
        blocks.append(UpBlock(base, base, dropout))
        self.blocks = nn.ModuleList(blocks)


class TemporalTyrion(SeriesNetwork):
    """The network; ``encoder``, ``decoder`` and ``head`` are those of a Tyrion.

    A temporal block follows every block of the encoder's stages 2-4, and the residual part of the
    decoder's blocks 0-3, before their upsampling. Images of all series are one batch, those of one
    series beside each other.

    Args:
        config: size and kind of the network.
        out_channels: channels of the output (four zones in fine-tuning).
    """

    def __init__(self, config: TemporalTyrionConfig, out_channels: int = CLASS_COUNT) -> None:
        super().__init__()
        self.input_px, self.out_channels = config.input_px, out_channels
        self.input_gamma = config.input_gamma
        self.encoder = build_encoder(config)
        decoder = Decoder if config.decoder == "full" else LeanDecoder
        self.decoder = decoder(config.embed_dim, config.dropout).to(
            memory_format=torch.channels_last
        )
        widths = [block.residual.conv2.out_channels for block in self._up_blocks]
        self.head = nn.Conv2d(widths[-1], out_channels, 1)
        # Last, so that the same seed gives the weights before to a Tyrion too.
        within = BLOCKS[config.temporal]
        self.encoder_temporal = nn.ModuleList(
            nn.ModuleList(within(config.embed_dim << stage) for _ in range(config.depths[stage]))
            for stage in (1, 2, 3)
        )
        between = BLOCKS["none" if config.temporal == "none" else "conv"]
        self.decoder_temporal = nn.ModuleList(map(between, widths[:TEMPORAL_UP_BLOCKS]))

    @property
    def _up_blocks(self) -> list[UpBlock]:
        return cast(list[UpBlock], list(self.decoder.blocks))

    def forward_series(
        self, images: Tensor, days: Tensor, predicted: Tensor | None = None
    ) -> Tensor:
        """Return logits of every image, or of those that are asked for; see the base class."""
        side = self.input_px
        if images.ndim != 4 or tuple(images.shape[2:]) != (side, side):
            raise ValueError(f"expected images (B, T, {side}, {side}), got {tuple(images.shape)}")
        if days.shape != images.shape[:2]:
            raise ValueError(
                f"expected a day of each image {tuple(images.shape[:2])}, got {tuple(days.shape)}"
            )
        series, frames = days.shape
        rows: Tensor | None = None
        if predicted is not None:
            firsts = frames * torch.arange(series, device=images.device)
            rows = (firsts[:, None] + predicted.to(images.device)).flatten()
        features = self._encode(images.flatten(0, 1).unsqueeze(1), days)
        logits = self._decode(features, days, rows)
        return logits.view(series, -1, *logits.shape[1:])

    def _encode(self, images: Tensor, days: Tensor) -> list[Tensor]:
        """Return the four maps (B * T, C << i, P/(4 << i), P/(4 << i)) of (B * T, 1, P, P)."""
        encoder: Any = self.encoder
        first, *stages = encoder_stages(encoder)
        grey = grey_power(images, self.input_gamma)
        tokens = first(encoder.patch_embed(grey.expand(-1, ENCODER_CHANNELS, -1, -1)))
        maps = [tokens]
        for stage, temporal_blocks in zip(stages, self.encoder_temporal, strict=True):
            tokens = stage.downsample(tokens)
            for block, temporal in zip(stage.blocks, cast(Any, temporal_blocks), strict=True):
                tokens = _along_time(temporal, block(tokens), days)
            maps.append(tokens)
        return [channels_last.permute(0, 3, 1, 2) for channels_last in maps]

    def _decode(self, features: Sequence[Tensor], days: Tensor, rows: Tensor | None) -> Tensor:
        """Return logits (R, K, P, P) of R of the B * T images; None: of all.

        Args:
            features: the encoder's maps, shallowest first.
            days: (B, T) days of the images.
            rows: (R,) numbers among the B * T images.
        """
        s1, s2, s3, s4 = features
        if rows is not None:
            s1 = s1[rows]
        is_lean = isinstance(self.decoder, LeanDecoder)
        skips = (None, None if is_lean else s4, s3, s2, s1)
        *blocks, last = self._up_blocks
        x = s4
        for index, (block, skip) in enumerate(zip(blocks, skips, strict=True)):
            x = block.residual(x if skip is None else torch.cat((x, skip), dim=1))
            if index < TEMPORAL_UP_BLOCKS:
                temporal = cast(TemporalBlock, self.decoder_temporal[index])
                x = _along_time(temporal, x.permute(0, 2, 3, 1), days).permute(0, 3, 1, 2)
            # Behind the last temporal block images are alone; the maps are largest there.
            if index == TEMPORAL_UP_BLOCKS - 1 and rows is not None:
                x = x[rows]
            if block.up_conv is not None:
                x = doubled_convolution(x, block.up_conv)
        assert last.up_conv is not None
        return doubled_head(last.residual(x), last.up_conv, self.head)


def _along_time(temporal: TemporalBlock, maps: Tensor, days: Tensor) -> Tensor:
    """Apply a temporal block to maps (B * T, H, W, C) of the series with days (B, T)."""
    series = maps.reshape(*days.shape, -1, maps.shape[-1])
    mapped: Tensor = temporal(series, days)
    return mapped.reshape(maps.shape)


#: Builds the network of settings with random weights, in training mode on the CPU.
build = TemporalTyrion


def load_weights(
    network: TemporalTyrion, config: TemporalTyrionConfig, weights: StartingWeights
) -> WeightsReport:
    """Fill a network with the weights that it starts from, in place.

    From a checkpoint of a Tyrion the temporal blocks keep their initial state, the identity, so
    that with the full decoder the first prediction is that of the Tyrion. The lean decoder takes
    the encoder alone from it.

    Returns:
        What was loaded.

    Raises:
        UserError: missing, damaged or foreign file, or another network than this one or its Tyrion.
    """
    single = config.single_image
    if weights.kind == "imagenet":
        return tyrion_weights.load_weights(network, single, weights)
    if tyrion_weights.holds_network(weights, config.name):
        return tyrion_weights.load_weights(network, config, weights)
    if config.decoder == "full":
        parts = nn.Module()
        parts.encoder, parts.decoder, parts.head = network.encoder, network.decoder, network.head
        return tyrion_weights.load_weights(parts, single, weights)
    with torch.random.fork_rng(devices=[]):
        tyrion = Tyrion(single)
    report = tyrion_weights.load_weights(tyrion, single, weights)
    encoder = tyrion.encoder.state_dict()
    network.encoder.load_state_dict(encoder)
    log(f"{weights.file}: the encoder alone is taken, the lean decoder has no place for the rest")
    return replace(report, tensors=len(encoder), head=False)
