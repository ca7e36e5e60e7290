"""The reordered attention against timm's own, and the life of its kept bias."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from timm.models.swin_transformer_v2 import SwinTransformerV2Block, WindowAttention
from torch import Tensor, nn

import ssl4sar.models.attention as attention_module
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.models.attention import FoldedWindowAttention, fold_attention
from ssl4sar.models.tyrion import build_encoder

CHANNELS, HEADS, WINDOW, MAP = 12, 3, 4, 8


def randomise(module: nn.Module) -> None:
    gen = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=gen))
            if "logit_scale" in name:
                parameter.mul_(3).add_(3)  # some above the clamp


def blocks(shift: int) -> tuple[SwinTransformerV2Block, nn.Sequential]:
    """The same block with timm's and with the reordered attention."""
    block = SwinTransformerV2Block(CHANNELS, MAP, HEADS, window_size=WINDOW, shift_size=shift)
    randomise(block)
    folded = nn.Sequential(copy.deepcopy(block))
    fold_attention(folded)
    assert isinstance(folded[0].attn, FoldedWindowAttention)
    return block, folded


@pytest.mark.parametrize("shift", [0, 2])
def test_evaluation_equals_timm(shift: int) -> None:
    theirs, ours = (module.eval() for module in blocks(shift))
    x = torch.randn(3, MAP, MAP, CHANNELS, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for _ in range(2):  # computing and reusing the bias
            torch.testing.assert_close(ours(x), theirs(x), atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_timm(shift: int, training: bool) -> None:
    theirs, ours = (module.train(training).double() for module in blocks(shift))
    gradients = []
    for module in (theirs, ours):
        x = torch.linspace(-1, 1, 2 * MAP * MAP * CHANNELS, dtype=torch.float64)
        x = x.view(2, MAP, MAP, CHANNELS).requires_grad_()
        module(x).sin().sum().backward()
        parameters = {
            name.removeprefix("0."): parameter.grad for name, parameter in module.named_parameters()
        }
        gradients.append({"input": x.grad, **parameters})
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, msg=name)


@pytest.fixture
def biases(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every bias that is attended with, rounded as a kernel of mixed precision takes it."""
    seen: list[Tensor] = []
    attend = attention_module._attend

    def spy(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        seen.append(bias.detach().to(torch.bfloat16).double())
        return attend(query, key, value, bias)

    monkeypatch.setattr(attention_module, "_attend", spy)
    return seen


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("wider", [1, 10])
def test_mixed_precision_keeps_the_bias_of_random_weights(
    biases: list[Tensor], wider: int, learning: bool
) -> None:
    torch.manual_seed(0)
    # Heads and windows of the published size; the bias depends on nothing else.
    config = TyrionConfig(input_px=64, embed_dim=24, depths=(1, 1, 1, 1), window_tokens=16)
    encoder = build_encoder(config).eval()
    module = next(m for m in encoder.modules() if isinstance(m, FoldedWindowAttention))
    with torch.no_grad():
        change(module).mul_(wider)
    exact = copy.deepcopy(module).double()._compute_bias(None, mixed=False).detach()
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(learning):
        module(torch.randn(1, 256, 24))
    (bias,) = biases
    # A softmax does not see what all of its scores have in common.
    error = (bias - exact) - (bias - exact).mean(-1, keepdim=True)
    signal = exact - exact.mean(-1, keepdim=True)
    assert signal.std() > 0.01 * wider
    assert error.std() < 0.005 * signal.std()


def test_full_precision_keeps_every_bit_of_the_bias() -> None:
    module = attention()
    with torch.no_grad():
        table = 16 * torch.sigmoid(module.cpb_mlp(module.relative_coords_table))
        expected = table.view(-1, HEADS)[module.relative_position_index.view(-1)]
        expected = expected.view(WINDOW**2, WINDOW**2, HEADS).permute(2, 0, 1)
        assert torch.equal(module._bias(None), expected)


def test_a_bias_kept_from_mixed_precision_is_not_that_of_full_precision() -> None:
    module = attention()
    fresh = module._compute_bias(None, mixed=False)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            module(TOKENS)
        assert torch.equal(module._bias(None), fresh)


def attention() -> FoldedWindowAttention:
    module = WindowAttention(CHANNELS, (WINDOW, WINDOW), HEADS)
    randomise(module)
    return FoldedWindowAttention.from_timm(module).eval()


TOKENS = torch.randn(2, WINDOW * WINDOW, CHANNELS, generator=torch.Generator().manual_seed(1))


def assert_fresh(module: FoldedWindowAttention) -> None:
    """The output equals that of timm's module with the same parameters."""
    reference = WindowAttention(CHANNELS, (WINDOW, WINDOW), HEADS).eval()
    reference.load_state_dict(module.state_dict())
    with torch.no_grad():
        expected = reference(TOKENS)
        torch.testing.assert_close(module(TOKENS), expected, atol=1e-4, rtol=1e-4)


def change(module: FoldedWindowAttention) -> Tensor:
    weight: Tensor = module.cpb_mlp[2].weight
    return weight


def test_changes_in_place_renew_the_bias() -> None:
    module = attention()
    assert_fresh(module)
    with torch.no_grad():
        change(module).mul_(-1)
    assert_fresh(module)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01)
    module(TOKENS).sum().backward()
    optimiser.step()
    assert_fresh(module)


def test_a_swap_behind_autograds_back_is_noticed_after_a_change_of_mode() -> None:
    module = attention()
    assert_fresh(module)
    change(module).data.mul_(-1)
    module.train().eval()
    assert_fresh(module)


def test_another_mask_renews_the_bias() -> None:
    module = attention()
    mask = torch.zeros(2, WINDOW * WINDOW, WINDOW * WINDOW)
    mask[1, :, :3] = -100
    with torch.no_grad():
        module(TOKENS)
        masked = module(TOKENS, mask)
        assert not torch.allclose(masked[1], module(TOKENS)[1])
    assert_fresh(module)


def test_copies_start_without_a_kept_bias() -> None:
    module = attention()
    with torch.inference_mode():
        module(TOKENS)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other._cached_bias is None
        assert_fresh(other)


def test_a_bias_made_in_inference_mode_serves_later_evaluation_and_training() -> None:
    module = attention()
    with torch.inference_mode():
        module(TOKENS)
    assert_fresh(module)
    module(TOKENS).sum().backward()
    assert change(module).grad is not None


@pytest.mark.gpu
@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("training", [True, False])
def test_the_fused_kernel_of_a_gpu_equals_plain_attention(shift: int, training: bool) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    plain, fused = (module.train(training).cuda() for module in blocks(shift))
    x = torch.randn(3, MAP, MAP, CHANNELS, device="cuda")
    with torch.set_grad_enabled(training):
        torch.testing.assert_close(fused(x), plain(x), atol=1e-3, rtol=1e-3)
