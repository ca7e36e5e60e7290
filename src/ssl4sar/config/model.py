"""The network: Tyrion's size and its starting weights."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block

Weights = Literal["none", "timm", "microsoft", "tyrion"]


class ModelConfig(Block):
    """Tyrion: a SwinV2 encoder with a residual convolutional decoder."""

    input_px: int = Field(default=512, ge=64, multiple_of=32)
    """Side of the network's input window, pixels."""
    embed_dim: int = Field(default=96, ge=8, multiple_of=8)
    """Channels C of the first encoder stage; later stages have 2C, 4C, 8C."""
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    """Transformer blocks per stage."""
    num_heads: tuple[int, int, int, int] = (3, 6, 12, 24)
    """Attention heads per stage."""
    window_tokens: int = Field(default=16, ge=2)
    """Side of the attention window, tokens of 4 px at stage 1."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout probability in the residual blocks of the decoder."""
    weights: Weights = "none"
    """none: random; timm: ImageNet, fetched once; microsoft: .pth file; tyrion: checkpoint file."""
    weights_file: str | None = None
    """File with the weights (microsoft and tyrion; for timm instead of fetching `weights.url`)."""
    legacy_post_norm_ones: bool = False
    """Start the residual post-norm gains at 1 like the original code, in every network that starts
    from random weights; the others have the gains of their file."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for stage, heads in enumerate(self.num_heads):
            if (self.embed_dim << stage) % heads:
                raise ValueError(
                    f"num_heads: {heads} heads do not divide the {self.embed_dim << stage} "
                    f"channels of stage {stage + 1}"
                )
        for stage, (tokens, window) in enumerate(
            zip(self.map_tokens, self.stage_windows, strict=True)
        ):
            if tokens % window:
                raise ValueError(
                    f"window_tokens: {self.window_tokens} does not divide the map of {tokens} "
                    f"tokens that stage {stage + 1} has with input_px {self.input_px}"
                )
        if self.weights in {"microsoft", "tyrion"} and not self.weights_file:
            raise ValueError(f"weights_file is missing: weights {self.weights} need a file")
        if self.weights == "none" and self.weights_file:
            raise ValueError("weights_file has no meaning with weights none")
        return self

    @property
    def map_tokens(self) -> tuple[int, ...]:
        """Side of the token map of each of the four stages."""
        return tuple(self.input_px // (4 << stage) for stage in range(4))

    @property
    def stage_windows(self) -> tuple[int, ...]:
        """Side of the attention window of each stage: never larger than the map."""
        return tuple(min(self.window_tokens, tokens) for tokens in self.map_tokens)
