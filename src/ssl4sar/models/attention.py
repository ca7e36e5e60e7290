"""Window attention with less memory traffic than timm's, equal to it up to rounding.

The same parameters and arithmetic as timm's ``WindowAttention`` (cosine attention with a
continuous position bias, Liu et al. 2022, arXiv:2111.09883), reordered: queries are scaled instead
of scores, windows are folded into the head axis so that the mask of shifted windows is never
copied per image, and the bias is computed once while the network does not learn. Where no bias
gradient is needed, or on a GPU, PyTorch's fused kernel does the rest.

In mixed precision the bias is computed in the precision of its parameters and centred before it is
rounded: its values are around 8, where bfloat16 has steps of 0.03 to 0.06, more than the values
differ by at the start of a training. A softmax does not see the constant that is taken away.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from timm.models.swin_transformer_v2 import WindowAttention
from torch import Tensor, nn
from torch.nn import functional

from ssl4sar.config.networks import TyrionConfig

#: Largest factor on the cosine similarity, as in Swin V2.
MAX_LOGIT_SCALE: Final = math.log(1.0 / 0.01)
BIAS_RANGE: Final = 16.0
#: Where the bias is without any preference, as a sigmoid of 0.
BIAS_CENTRE: Final = BIAS_RANGE / 2


def stage_windows(config: TyrionConfig) -> tuple[int, ...]:
    """Return the side of the attention window of each of four stages: never larger than its map."""
    return tuple(min(config.window_tokens, config.input_px // (4 << stage)) for stage in range(4))


class FoldedWindowAttention(WindowAttention):
    """Drop-in for timm's ``WindowAttention`` without dropout of attention weights."""

    _cached_key: tuple[Any, ...] | None = None
    _cached_bias: Tensor | None = None

    @classmethod
    def from_timm(cls, attention: WindowAttention) -> FoldedWindowAttention:
        """Return a module with the parameters of ``attention``, on its device."""
        folded = cls(
            attention.dim,
            attention.window_size,
            attention.num_heads,
            pretrained_window_size=attention.pretrained_window_size,
        )
        folded.load_state_dict(attention.state_dict())
        return folded.to(attention.proj.weight.device)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within windows.

        Args:
            x: (B * W, N, C) tokens of B images with W windows of N tokens.
            mask: (W, N, N) with 0 where a token may look and -100 where not, or None.

        Returns:
            (B * W, N, C).
        """
        rows, tokens, channels = x.shape
        windows = 1 if mask is None else mask.shape[0]
        bias = self._bias(mask)
        # Swin V2 fixes the bias of the keys at zero.
        qkv_bias = torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))
        qkv = functional.linear(x, self.qkv.weight, qkv_bias)
        # (3, B, W * heads, N, C / heads); without a mask every window is an image of its own.
        folded = (3, rows // windows, windows * self.num_heads, tokens, -1)
        qkv = qkv.view(rows, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).reshape(folded)
        query, key, value = qkv.unbind(0)
        scale = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        query = functional.normalize(query, dim=-1) * scale.repeat(windows, 1, 1)
        key = functional.normalize(key, dim=-1)
        attended = _attend(query, key, value, bias.to(query.dtype))
        attended = attended.view(rows, self.num_heads, tokens, -1).transpose(1, 2)
        projected: Tensor = self.proj(attended.reshape(rows, tokens, channels))
        return projected

    def train(self, mode: bool = True) -> FoldedWindowAttention:
        """Switch mode; a cached bias is forgotten."""
        self._forget()
        super().train(mode)
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the cached bias out of copies."""
        return {**self.__dict__, "_cached_key": None, "_cached_bias": None}

    def _forget(self) -> None:
        self._cached_key = self._cached_bias = None

    def _bias(self, mask: Tensor | None) -> Tensor:
        """Return the position bias with the mask, (W * heads, N, N)."""
        mixed = torch.is_autocast_enabled(self.logit_scale.device.type)
        if self.training or torch.is_grad_enabled():
            return self._compute_bias(mask, mixed)
        sources = [*self.cpb_mlp.parameters(), *([] if mask is None else [mask])]
        # A version counts every change in place, such as an optimiser's or an averager's.
        versions = tuple(
            (source.data_ptr(), source.device, source.dtype, source._version) for source in sources
        )
        key = (mixed, *versions)
        if self._cached_bias is None or self._cached_key != key:
            self._cached_bias, self._cached_key = self._compute_bias(mask, mixed), key
        return self._cached_bias

    def _compute_bias(self, mask: Tensor | None, mixed: bool) -> Tensor:
        tokens = self.window_size[0] * self.window_size[1]
        mlp: Any = self.cpb_mlp
        with torch.autocast(self.logit_scale.device.type, enabled=False):
            table: Tensor = BIAS_RANGE * torch.sigmoid(mlp(self.relative_coords_table))
            if mixed:
                # Not in full precision, whose results stay the same to the bit.
                table = table - BIAS_CENTRE
        table = table.view(-1, self.num_heads).transpose(0, 1)
        index: Any = self.relative_position_index
        bias = table.index_select(1, index.view(-1)).view(self.num_heads, tokens, tokens)
        if mask is None:
            return bias
        return (bias + mask.unsqueeze(1)).view(-1, tokens, tokens)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Return softmax(query key' + bias) value; (B, H, N, D) and bias (H, N, N)."""
    learning = torch.is_grad_enabled() and bias.requires_grad
    if learning and bias.device.type == "cpu":
        # The fused CPU kernel has no gradient for the bias and falls back to a slower path.
        scores = query @ key.transpose(-2, -1) + bias
        return scores.softmax(-1) @ value
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias.unsqueeze(0), scale=1.0
    )


def fold_attention(encoder: nn.Module) -> None:
    """Replace every window attention of an encoder, in place; names of parameters stay."""
    for module in list(encoder.modules()):
        attention = getattr(module, "attn", None)
        if isinstance(attention, WindowAttention):
            module.attn = FoldedWindowAttention.from_timm(attention)
