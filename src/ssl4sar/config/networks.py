"""The networks that a model may have: one class of settings per network.

The module ``ssl4sar.models.<name>`` builds the network of that name. Settings are values, which
count as parameters of the jobs that read them: this file is in no digest of sources, so that
another network repeats nothing. What computes stands in the module of the network.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from ssl4sar.config.block import Block

#: Weights that a network starts from: random ones, those of an ImageNet classifier, a checkpoint.
WeightsKind = Literal["none", "imagenet", "checkpoint"]
#: What exchanges information between the images of a series.
TemporalKind = Literal["none", "conv", "gru", "attention"]
#: Power to which grey values (0-1) are raised.
InputGamma = Annotated[float, Field(gt=0, le=4)]


class NetworkSettings(Block):
    """What every network has: a class of this file, and the module of its name in models."""

    name: str
    """Name of the network."""
    input_px: int = Field(ge=64)
    """Side of the network's input window, pixels."""

    #: What it can start from, beside random weights.
    starts_from: ClassVar[frozenset[WeightsKind]] = frozenset()
    #: Whether the pretext tasks can pretrain it.
    can_pretrain: ClassVar[bool] = False
    #: Fewest crops that it can be trained on at once.
    least_batch: ClassVar[int] = 1
    #: Whether it maps series of images together.
    is_temporal: ClassVar[bool] = False

    @property
    def crop_memory_mb(self) -> float:
        """Memory of one crop in the backward pass on a CPU, MB."""
        raise NotImplementedError

    @property
    def single_image(self) -> NetworkSettings:
        """The network for single images that the pretext tasks train for it: mostly itself."""
        return self

    def beside_weights(self) -> Self:
        """Return the settings that count where the weights come from a file."""
        return self


class TyrionConfig(NetworkSettings):
    """Tyrion: a SwinV2 encoder with a residual convolutional decoder."""

    name: Literal["tyrion"] = "tyrion"
    """Tyrion of Gourmelon et al. 2025."""
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
    input_gamma: InputGamma = 1.0
    """Power to which grey values (0-1) are raised first; 0.5 tells dark tones apart."""
    legacy_post_norm_ones: bool = False
    """Start the residual post-norm gains at 1 like the original code, in every network that starts
    from random weights; the others have the gains of their file."""

    starts_from: ClassVar[frozenset[WeightsKind]] = frozenset({"imagenet", "checkpoint"})
    can_pretrain: ClassVar[bool] = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for stage, heads in enumerate(self.num_heads):
            if (self.embed_dim << stage) % heads:
                raise ValueError(
                    f"num_heads: {heads} heads do not divide the {self.embed_dim << stage} "
                    f"channels of stage {stage + 1}"
                )
            tokens = self.input_px // (4 << stage)
            if tokens % min(self.window_tokens, tokens):
                raise ValueError(
                    f"window_tokens: {self.window_tokens} does not divide the map of {tokens} "
                    f"tokens that stage {stage + 1} has with input_px {self.input_px}"
                )
        return self

    @property
    def crop_memory_mb(self) -> float:
        """Memory of one crop in the backward pass on a CPU, MB."""
        # Measured at the published width and size with plain attention in fp32.
        return 2300 * (self.embed_dim / 96) * (self.input_px / 512) ** 2

    def beside_weights(self) -> Self:
        """Return the settings that count where the weights come from a file."""
        # The gains come with the file: the switch for random weights must not separate two such.
        return self.model_copy(update={"legacy_post_norm_ones": False})


class TemporalTyrionConfig(TyrionConfig):
    """Tyrion with layers between its own that look along a series of images of one glacier."""

    name: Literal["temporal_tyrion"] = "temporal_tyrion"  # type: ignore[assignment]
    """Multi-temporal Tyrion of Dreier et al. 2026. From a pretext task, or from a checkpoint of a
    tyrion of the same sizes, it starts with what that tyrion predicts."""
    temporal: TemporalKind = "conv"
    """What looks along the series: convolutions over three images, recurrent units (gru), attention
    by content and day; none: nothing, images stay alone."""
    decoder: Literal["full", "lean"] = "full"
    """full: that of tyrion; lean: the published one, a third as wide, which takes nothing from a
    tyrion: its encoder alone then has the weights of the file."""

    is_temporal: ClassVar[bool] = True

    @property
    def single_image(self) -> TyrionConfig:
        """The Tyrion of the same sizes, which the pretext tasks train."""
        sizes = TyrionConfig.model_fields.keys() - {"name"}
        return TyrionConfig(**{key: getattr(self, key) for key in sizes})


class AsppUnetConfig(NetworkSettings):
    """The benchmark's U-Net for zones, with atrous pyramid pooling at its deepest level."""

    name: Literal["aspp_unet"] = "aspp_unet"
    """The U-Net of Gourmelon et al. 2022. It normalises over the batch, of which several processes
    see their own share alone: each needs at least two crops in every batch, the last one too."""
    input_px: int = Field(default=256, ge=64)
    """Side of the network's input window, pixels; can be halved `levels` - 1 times."""
    first_channels: int = Field(default=32, ge=4)
    """Channels at full resolution; each level down has twice as many."""
    levels: int = Field(default=5, ge=2, le=8)
    """Resolutions, the full one among them."""
    kernel_px: Literal[3, 5, 7] = 3
    """Side of the kernels of the way down and up."""
    dilations: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 2, 4, 8), min_length=1)
    """Dilations of the pyramid, pixels of the deepest map."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout probability behind the pyramid."""
    input_gamma: InputGamma = 1.0
    """Power to which grey values (0-1) are raised first; 0.5 tells dark tones apart."""

    least_batch: ClassVar[int] = 2

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.input_px % (1 << (self.levels - 1)):
            raise ValueError(
                f"input_px: {self.input_px} pixels cannot be halved {self.levels - 1} times, "
                "as levels ask for"
            )
        return self

    @property
    def crop_memory_mb(self) -> float:
        """Memory of one crop in the backward pass on a CPU, MB."""
        return 1500 * (self.first_channels / 32) * (self.input_px / 512) ** 2


#: Every network; its name says which settings there are.
Network = Annotated[
    TyrionConfig | TemporalTyrionConfig | AsppUnetConfig, Field(discriminator="name")
]
_NETWORK: Final[TypeAdapter[NetworkSettings]] = TypeAdapter(Network)


def network_settings(values: object) -> NetworkSettings:
    """Return the typed settings of a network.

    Raises:
        pydantic.ValidationError: another network than the known ones, or wrong settings.
    """
    return _NETWORK.validate_python(values)


def network_module(name: str) -> str:
    """Return the dotted name of the module of a network."""
    return f"ssl4sar.models.{name}"
