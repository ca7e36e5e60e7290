"""Size, structure and behaviour of the network."""

from __future__ import annotations

import pytest
import timm
import torch
from pydantic import ValidationError

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.models.tyrion import Tyrion, attention_windows, build, build_encoder

TINY = TyrionConfig(
    input_px=64, embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 2, 2, 4), window_tokens=4
)


def parameter_count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper() -> Tyrion:
    return build(TyrionConfig()).eval()


@pytest.mark.slow
def test_the_paper_network_has_the_published_size(paper: Tyrion) -> None:
    assert parameter_count(paper) == 50_033_614
    assert parameter_count(paper.encoder) == 27_576_618
    # Live parameters of the six decoder blocks: published totals less the unused time embedding.
    assert [parameter_count(block) for block in paper.decoder.blocks] == [
        11_015_424 - 393_984,
        8_754_816 - 196_992,
        2_239_296 - 98_496,
        585_120 - 49_248,
        400_416 - 49_248,
        298_752 - 49_248,
    ]
    assert parameter_count(paper.head) == 388
    assert len(list(paper.encoder.parameters())) == 217


@pytest.mark.slow
def test_the_paper_network_keeps_its_attention_windows_at_512(paper: Tyrion) -> None:
    assert attention_windows(paper.encoder) == (16, 16, 16, 16)
    shifts = [
        tuple(block.shift_size for block in stage.blocks)
        for name, stage in paper.encoder.named_children()
        if name.startswith("layers_")
    ]
    # The last map is one window, which cannot be shifted.
    assert shifts == [
        ((0, 0), (8, 8)),
        ((0, 0), (8, 8)),
        ((0, 0), (8, 8)) * 3,
        ((0, 0), (0, 0)),
    ]


@pytest.mark.slow
def test_the_paper_network_maps_a_window_to_logits_of_its_size(paper: Tyrion) -> None:
    with torch.inference_mode():
        image = torch.rand(1, 1, 512, 512)
        features = paper.encode(image)
        logits = paper.decoder(features, paper.head)
    assert [tuple(feature.shape) for feature in features] == [
        (1, 96, 128, 128),
        (1, 192, 64, 64),
        (1, 384, 32, 32),
        (1, 768, 16, 16),
    ]
    assert logits.shape == (1, 4, 512, 512)
    assert torch.isfinite(logits).all()


def test_a_random_encoder_equals_the_one_timm_builds() -> None:
    encoder = build_encoder(TINY)
    reference = timm.create_model(
        "swinv2_tiny_window16_256",
        img_size=64,
        window_size=4,
        embed_dim=8,
        depths=TINY.depths,
        num_heads=TINY.num_heads,
        num_classes=0,
        drop_path_rate=0.0,
    ).eval()
    encoder.eval()
    state = encoder.state_dict()
    gen = torch.Generator().manual_seed(3)
    for value in state.values():
        value.copy_(torch.randn(value.shape, generator=gen) * 0.3)
    reference.load_state_dict(
        {key.replace("layers_", "layers."): value for key, value in state.items()}, strict=False
    )
    image = torch.rand(2, 3, 64, 64, generator=gen)
    with torch.no_grad():
        maps = encoder(image)
        x = reference.patch_embed(image)
        for skip, stage in zip(maps, reference.layers, strict=True):
            x = stage(x)
            torch.testing.assert_close(skip, x, atol=2e-5, rtol=1e-5)


def test_the_decoder_joins_its_map_and_the_skip_in_this_order() -> None:
    torch.manual_seed(0)
    network = build(TINY).eval()
    image = torch.rand(1, 1, 64, 64)
    blocks = network.decoder.blocks
    with torch.no_grad():
        s1, s2, s3, s4 = network.encode(image)
        x = blocks[0](s4)
        for block, skip in zip(blocks[1:5], (s4, s3, s2, s1), strict=True):
            x = block(torch.cat((x, skip), dim=1))
        expected = network.head(blocks[5](x))
        torch.testing.assert_close(network(image), expected)


def test_windows_that_do_not_divide_a_map_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"window_tokens: 8 .* 20 tokens .* stage 2"):
        TyrionConfig(input_px=160, window_tokens=8)


def test_post_norms_start_closed_and_open_in_legacy_mode() -> None:
    for legacy, gain in ((False, 0.0), (True, 1.0)):
        encoder = build_encoder(TINY.model_copy(update={"legacy_post_norm_ones": legacy}))
        norms = {k: v for k, v in encoder.state_dict().items() if ".norm1.weight" in k}
        assert norms
        assert all(bool((value == gain).all()) for value in norms.values())


def test_other_image_sizes_are_refused() -> None:
    network = build(TINY)
    for shape in ((1, 1, 32, 64), (1, 3, 64, 64), (64, 64)):
        with pytest.raises(ValueError, match="expected images"):
            network(torch.zeros(shape))


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    config = TINY.model_copy(update={"legacy_post_norm_ones": True})
    network = build(config)
    network(torch.rand(2, 1, 64, 64)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def random_network(**changes: object) -> Tyrion:
    torch.manual_seed(0)
    config = TINY.model_copy(update={"legacy_post_norm_ones": True, "dropout": 0.0} | changes)
    return build(config)


def test_pixels_under_masked_tokens_have_no_influence_and_no_gradient() -> None:
    network = random_network()
    masked = torch.zeros(2, 256, dtype=torch.bool)
    masked[0, [17, 18, 100]] = True
    masked[1, 255] = True
    # Token 17 of 16 per row: rows 4-7, columns 4-7.
    hidden = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    hidden[0, 0, 4:8, 4:12] = hidden[0, 0, 24:28, 16:20] = hidden[1, 0, 60:, 60:] = True
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        other = torch.where(hidden, torch.rand_like(image), image)
        assert torch.equal(network(image, masked), network(other, masked))
        assert not torch.equal(network(image), network(other))
        assert not torch.equal(network(image, masked), network(image))
    image.requires_grad_()
    network(image, masked).square().sum().backward()
    assert image.grad is not None
    assert bool((image.grad[hidden] == 0).all())
    assert bool((image.grad[~hidden] != 0).all())


def test_masks_of_another_size_are_refused() -> None:
    network = random_network()
    for shape in ((1, 64), (2, 256), (1, 16, 16)):
        with pytest.raises(ValueError, match=r"expected a mask \(1, 256\)"):
            network(torch.zeros(1, 1, 64, 64), torch.zeros(shape, dtype=torch.bool))
