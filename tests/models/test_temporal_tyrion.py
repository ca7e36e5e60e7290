"""Multi-temporal Tyrion: size, start as a Tyrion, what passes between the images of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import NetworkSettings, TemporalTyrionConfig
from ssl4sar.core.errors import UserError
from ssl4sar.models import temporal_tyrion
from ssl4sar.models.checkpoint import load_network, save_network
from ssl4sar.models.network import ZoneNetwork
from ssl4sar.models.registry import build_network, load_weights
from ssl4sar.models.temporal_blocks import BLOCKS, encode_days
from ssl4sar.models.temporal_tyrion import TemporalTyrion, build

KINDS = ("conv", "gru", "attention")
DAYS = torch.tensor([3000, 3011, 3011, 5000, 9000])


def tiny(**changes: Any) -> TemporalTyrionConfig:
    sizes = {"depths": (2, 1, 2, 1), "num_heads": (1, 2, 2, 4), "window_tokens": 4}
    return TemporalTyrionConfig(**{"input_px": 64, "embed_dim": 8, **sizes, **changes})


def randomised(module: Any, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def series(count: int, length: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, length, 64, 64, generator=generator), DAYS[:length].repeat(count, 1)


def saved(path: Path, settings: NetworkSettings, out_channels: int = 4) -> ZoneNetwork:
    network: ZoneNetwork = randomised(build_network(settings, out_channels), 5)
    save_network(path, network, settings, {})
    return network


def started(settings: NetworkSettings, path: Path) -> tuple[ZoneNetwork, Any]:
    network = build_network(settings)
    weights = StartingWeights(kind="checkpoint", file=str(path))
    return network, load_weights(network, settings, weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("temporal", "parameters", "length", "giga_flop"),
    [
        ("none", 31_350_926, 1, 67.4),
        ("conv", 38_040_494, 8, 76.5),
        ("gru", 41_279_342, 8, 81.0),
        ("attention", 34_856_632, 8, 72.7),
    ],
)
def test_the_lean_network_has_the_published_size(
    temporal: str,
    parameters: int,
    length: int,
    giga_flop: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """31.35, 38.04, 41.28 and 34.86 M; GFLOP per image, of attention none are published.

    Position biases are computed once for all images of a series: 0.14 GFLOP less per image in a
    series of 8 than alone, for which the published figures of the first row and of the others are.
    """

    def doubled(x: Tensor, conv: nn.Conv2d) -> Tensor:
        return conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))

    # The published steps, which take more arithmetic than ours.
    monkeypatch.setattr(temporal_tyrion, "doubled_convolution", doubled)
    monkeypatch.setattr(temporal_tyrion, "doubled_head", lambda x, up, head: head(doubled(x, up)))
    network = build(TemporalTyrionConfig(temporal=temporal, decoder="lean")).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    # Shapes without values.
    with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
        days = torch.zeros(1, length, dtype=torch.int64)
        logits = network.forward_series(torch.zeros(1, length, 512, 512), days)
    assert logits.shape == (1, length, 4, 512, 512)
    assert counter.get_total_flops() / 1e9 / length == pytest.approx(giga_flop, abs=0.05)


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("temporal", ["none", *KINDS])
def test_it_starts_with_the_prediction_of_its_tyrion_to_the_bit(
    temporal: str, length: int, tmp_path: Path
) -> None:
    settings = tiny(temporal=temporal)
    tyrion = saved(tmp_path / "tyrion.ckpt", settings.single_image)
    network, report = started(settings, tmp_path / "tyrion.ckpt")
    assert (report.tensors, report.head) == (len(tyrion.state_dict()), True)
    network.eval()
    assert isinstance(network, TemporalTyrion)
    images, days = series(2, length)
    with torch.no_grad():
        alone = tyrion(images.flatten(0, 1).unsqueeze(1))
        assert torch.equal(network.forward_series(images, days).flatten(0, 1), alone)
        assert torch.equal(network(images[:, :1]), tyrion(images[:, :1]))


def test_a_seed_draws_the_same_tyrion_in_both() -> None:
    states = []
    for settings in (tiny(temporal="gru"), tiny().single_image):
        torch.manual_seed(3)
        states.append(build_network(settings).state_dict())
    temporal, single = states
    assert temporal.keys() > single.keys()
    assert all(torch.equal(temporal[key], value) for key, value in single.items())


@pytest.mark.parametrize("temporal", KINDS)
def test_every_temporal_block_learns_from_the_first_step(temporal: str) -> None:
    torch.manual_seed(0)
    network = build(tiny(temporal=temporal, legacy_post_norm_ones=True))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    blocks = {
        name: block for name, block in network.named_modules() if type(block) in BLOCKS.values()
    }
    assert len(blocks) == 4 + 4
    images, days = series(2, 3)
    for step in range(2):
        optimiser.zero_grad()
        network.forward_series(images, days).square().mean().backward()
        for name, block in blocks.items():
            reached = [bool((p.grad != 0).any()) for p in block.parameters() if p.grad is not None]
            # The first step opens the branch, the next one reaches all that is behind.
            assert all(reached) if step else any(reached), name
        optimiser.step()


@pytest.mark.parametrize("temporal", KINDS)
@pytest.mark.parametrize("decoder", ["full", "lean"])
def test_a_series_does_not_see_those_beside_it_in_a_batch(temporal: str, decoder: str) -> None:
    network = randomised(build(tiny(temporal=temporal, decoder=decoder)))
    images, days = series(2, 3)
    days[1] += 77
    with torch.no_grad():
        together = network.forward_series(images, days)
        alone = [network.forward_series(images[i : i + 1], days[i : i + 1]) for i in range(2)]
        torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
        # But an image sees those of its series.
        by_itself = network.forward_series(images[:, :1], days[:, :1])
    assert not torch.allclose(together[:, :1], by_itself, atol=1e-3)


@pytest.mark.parametrize("decoder", ["full", "lean"])
def test_some_images_of_a_series_are_predicted_as_among_all(decoder: str) -> None:
    network = randomised(build(tiny(decoder=decoder)))
    images, days = series(2, 3)
    places = torch.tensor([[2, 0], [1, 1]])
    with torch.no_grad():
        every = network.forward_series(images, days)
        some = network.forward_series(images, days, places)
    expected = torch.stack([every[i, places[i]] for i in range(2)])
    torch.testing.assert_close(some, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("temporal", KINDS)
def test_only_attention_sees_no_order_but_days(temporal: str) -> None:
    block = randomised(BLOCKS[temporal](16))
    x = torch.randn(1, 5, 6, 16, generator=torch.Generator().manual_seed(2))
    same_day = torch.full((1, 5), 4000)
    order = [0, 4, 3, 2, 1]
    with torch.no_grad():
        first, permuted = block(x, same_day)[:, 0], block(x[:, order], same_day)[:, 0]
        other_days = block(x, DAYS.unsqueeze(0))[:, 0]
    assert torch.allclose(first, permuted, atol=1e-5) == (temporal == "attention")
    assert torch.allclose(first, other_days, atol=1e-3) == (temporal != "attention")


def test_the_convolution_mirrors_the_series_at_its_ends() -> None:
    block = randomised(BLOCKS["conv"](16))
    x = torch.randn(2, 3, 6, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        branch = functional.silu(block.norm(x.permute(0, 3, 1, 2)))
        padded = functional.pad(branch, (0, 0, 1, 1), mode="reflect")
        expected = x + block.conv(padded).permute(0, 2, 3, 1)
        torch.testing.assert_close(block(x, DAYS[:3].repeat(2, 1)), expected)


def test_all_days_of_the_archives_are_encoded_differently() -> None:
    encoded = encode_days(torch.arange(20_000).unsqueeze(0), 24)[0]
    neighbours = (encoded[1:] - encoded[:-1]).norm(dim=1)
    assert neighbours.min() > 0.5
    far = (encoded[::500, None] - encoded[None, ::500]).norm(dim=2)
    assert far[~torch.eye(len(far), dtype=torch.bool)].min() > 0.1


@pytest.mark.parametrize("temporal", KINDS)
def test_mixed_precision_gives_about_the_same(temporal: str) -> None:
    network = randomised(build(tiny(temporal=temporal)))
    images, days = series(2, 3)
    with torch.no_grad():
        exact = network.forward_series(images, days)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network.forward_series(images, days)
    assert (mixed.float() - exact).abs().mean() < 0.1 * exact.std()


def test_images_of_another_size_or_without_a_day_are_refused() -> None:
    network = build(tiny())
    images, days = series(2, 3)
    for wrong in (images[..., :32], images[0]):
        with pytest.raises(ValueError, match=r"expected images \(B, T, 64, 64\)"):
            network.forward_series(wrong, days)
    with pytest.raises(ValueError, match="expected a day of each image"):
        network.forward_series(images, days[:, :2])


@pytest.mark.parametrize("temporal", KINDS)
def test_its_own_checkpoint_brings_all_of_it(temporal: str, tmp_path: Path) -> None:
    settings = tiny(temporal=temporal, decoder="lean")
    teacher = saved(tmp_path / "own.ckpt", settings)
    loaded, _ = load_network(tmp_path / "own.ckpt")
    network, report = started(settings, tmp_path / "own.ckpt")
    assert (report.tensors, report.head) == (len(teacher.state_dict()), True)
    assert isinstance(teacher, TemporalTyrion)
    images, days = series(1, 3)
    with torch.no_grad():
        expected = teacher.forward_series(images, days)
        for other in (loaded, network.eval()):
            assert isinstance(other, TemporalTyrion)
            assert torch.equal(other.forward_series(images, days), expected)


def test_the_lean_decoder_takes_the_encoder_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny(decoder="lean")
    tyrion = saved(tmp_path / "tyrion.ckpt", settings.single_image)
    network, report = started(settings, tmp_path / "tyrion.ckpt")
    encoder = tyrion.get_submodule("encoder").state_dict()
    taken = network.get_submodule("encoder").state_dict()
    assert all(torch.equal(taken[key], value) for key, value in encoder.items())
    assert (report.tensors, report.head) == (len(encoder), False)
    assert "the encoder alone is taken" in capsys.readouterr().err


def test_the_head_of_a_pretext_task_stays_behind(tmp_path: Path) -> None:
    settings = tiny()
    tyrion = saved(tmp_path / "pretext.ckpt", settings.single_image, out_channels=14)
    network, report = started(settings, tmp_path / "pretext.ckpt")
    assert (report.tensors, report.head) == (len(tyrion.state_dict()) - 2, False)
    decoder = network.get_submodule("decoder").state_dict()
    expected = tyrion.get_submodule("decoder").state_dict()
    assert all(torch.equal(decoder[key], value) for key, value in expected.items())


@pytest.mark.parametrize(
    ("held", "wanted", "told"),
    [
        (tiny(), tiny().single_image, "network.name temporal_tyrion, where tyrion is needed"),
        (tiny(), tiny(temporal="gru"), "network.temporal conv, where gru"),
        (tiny(), tiny(decoder="lean"), "network.decoder full, where lean"),
        (tiny().single_image, tiny(embed_dim=16), "network.embed_dim 8, where 16"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    held: NetworkSettings, wanted: NetworkSettings, told: str, tmp_path: Path
) -> None:
    saved(tmp_path / "other.ckpt", held)
    with pytest.raises(UserError, match=told) as caught:
        started(wanted, tmp_path / "other.ckpt")
    assert "\n" not in str(caught.value)
