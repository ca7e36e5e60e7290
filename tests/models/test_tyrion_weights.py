"""Starting weights: files in the layouts of Microsoft, timm and the original Tyrion code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.swin_transformer_v2 import WindowAttention
from torch import Tensor, nn

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.core.errors import UserError
from ssl4sar.models.checkpoint import save_network
from ssl4sar.models.registry import load_weights
from ssl4sar.models.tyrion import Tyrion, build

# The file is made at half the input size, like the ImageNet weights (256) and Tyrion (512).
TINY = TyrionConfig(
    input_px=128, embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 2, 2, 4), window_tokens=8
)
State = dict[str, Tensor]


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    gen = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=gen))
    return module


def classifier() -> nn.Module:
    """A Swin V2 classifier of timm at half of Tyrion's input size."""
    model: nn.Module = timm.create_model(
        "swinv2_tiny_window16_256",
        img_size=64,
        window_size=8,
        embed_dim=8,
        depths=TINY.depths,
        num_heads=TINY.num_heads,
        num_classes=10,
    )
    return randomised(model)


def microsoft_layout(state: State) -> State:
    """Rename timm's tensors to Microsoft's and add the tables that their files hold."""
    out = {}
    for key, value in state.items():
        key = re.sub(
            r"layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", key
        )
        out[key.replace("head.fc.", "head.")] = value
    return {**out, **tables(8, 8, 8, 4), "layers.0.blocks.1.attn_mask": torch.zeros(4, 64, 64)}


def tables(*windows: int, pretrained: int = 0) -> State:
    """Return the tables of attention windows by stage, as a file holds them."""
    out = {}
    for stage, window in enumerate(windows):
        attention = WindowAttention(8, (window, window), 1, pretrained_window_size=[pretrained] * 2)
        for kind in ("relative_coords_table", "relative_position_index"):
            out[f"layers.{stage}.blocks.0.attn.{kind}"] = getattr(attention, kind)
    return out


def official_layout(network: Tyrion) -> State:
    """State of the original network: Microsoft's encoder names, its decoder names, dead layers."""
    encoder = {
        key.replace("layers_", "layers."): value
        for key, value in network.encoder.state_dict().items()
    }
    out = microsoft_layout(encoder)
    for key, value in network.decoder.state_dict().items():
        match = re.fullmatch(r"blocks\.(\d)\.(.+)", key)
        assert match
        rest = match[2].replace("residual.shortcut", "block.nin_shortcut")
        rest = rest.replace("residual.", "block.").replace("up_conv.", "up.conv.")
        out[f"pred_target.{match[1]}.{rest}"] = value
    for index in range(6):
        out[f"pred_target.{index}.block.temb_proj.weight"] = torch.zeros(8, 512)
        out[f"pred_target.{index}.block.temb_proj.bias"] = torch.zeros(8)
    out["pred_target.6.weight"] = network.head.weight.detach()
    out["pred_target.6.bias"] = network.head.bias.detach()
    out["outputt.weight"] = torch.zeros(4, 8, 1, 1)
    return out


def lightning(state: State, **beside: Tensor) -> dict[str, object]:
    table = {f"swin_unet.{key}": value for key, value in state.items()}
    return {"epoch": 3, "global_step": 7, "state_dict": {**table, **beside}}


def weights_for(source: str, path: Path) -> StartingWeights:
    return StartingWeights(kind="checkpoint" if source == "tyrion" else "imagenet", file=str(path))


def assert_equal_states(a: State, b: State) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert torch.equal(value, b[key]), key


def save_safetensors(content: State, path: Path) -> None:
    save_file({key: value.contiguous() for key, value in content.items()}, path)


@pytest.mark.parametrize(
    ("source", "name", "wrap", "save"),
    [
        ("microsoft", "w.pth", lambda s: {"model": microsoft_layout(s)}, torch.save),
        ("timm", "w.bin", dict, torch.save),
        ("timm", "w.pth", lambda s: {"state_dict": s}, torch.save),
        ("timm", "w.safetensors", dict, save_safetensors),
    ],
)
def test_image_net_files_give_the_encoder_timm_would_build(
    source: str,
    name: str,
    wrap: Callable[[State], dict[str, object]],
    save: Callable[[object, Path], None],
    tmp_path: Path,
) -> None:
    model = classifier()
    save(wrap(model.state_dict()), tmp_path / name)
    weights = weights_for(source, tmp_path / name)
    network = build(TINY).eval()
    head_before = network.head.weight.detach().clone()
    report = load_weights(network, TINY, weights)

    reference = timm.create_model(
        "swinv2_tiny_window16_256",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / name)},
        features_only=True,
        img_size=128,
        window_size=8,
        embed_dim=8,
        depths=TINY.depths,
        num_heads=TINY.num_heads,
    ).eval()
    assert_equal_states(network.encoder.state_dict(), reference.state_dict())
    image = torch.rand(1, 1, 128, 128)
    with torch.no_grad():
        maps = reference(image.repeat(1, 3, 1, 1))
        for ours, theirs in zip(network.encode(image), maps, strict=True):
            torch.testing.assert_close(ours.permute(0, 2, 3, 1), theirs, atol=2e-5, rtol=1e-5)
    assert torch.equal(network.head.weight, head_before)
    assert report.tensors == len(reference.state_dict())
    assert report.sha256
    assert not report.head


def test_an_original_checkpoint_fills_the_whole_network(tmp_path: Path) -> None:
    teacher = randomised(build(TINY), 5)
    path = tmp_path / "original.ckpt"
    torch.save(lightning(official_layout(teacher)), path)
    weights = weights_for("tyrion", path)
    network = build(TINY)
    report = load_weights(network, TINY, weights)
    assert_equal_states(network.state_dict(), teacher.state_dict())
    assert report.head
    assert report.tensors == len(teacher.state_dict())


def test_a_pretext_checkpoint_leaves_the_head_alone(tmp_path: Path) -> None:
    teacher = randomised(build(TINY), 5)
    path = tmp_path / "pretext.ckpt"
    beside = {
        "last_model_decoder_layer.weight": torch.zeros(3, 8, 1, 1),
        "decoder.weight": torch.zeros(224, 8),
        "patch_embed_after_decoder.proj.weight": torch.zeros(8, 3, 4, 4),
        "mask_token": torch.zeros(1, 1, 8),
    }
    torch.save(lightning(official_layout(teacher), **beside), path)
    weights = weights_for("tyrion", path)
    network = build(TINY)
    head = network.head.weight.detach().clone()
    report = load_weights(network, TINY, weights)
    assert not report.head
    assert torch.equal(network.head.weight, head)
    assert_equal_states(network.decoder.state_dict(), teacher.decoder.state_dict())


def test_a_head_for_other_classes_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "n.ckpt"
    torch.save(lightning(official_layout(build(TINY, 7))), path)
    weights = weights_for("tyrion", path)
    assert not load_weights(build(TINY), TINY, weights).head


@pytest.mark.parametrize(("saved", "wanted"), [(4, 5), (5, 4)])
def test_zones_are_taken_from_a_head_with_or_without_a_front(
    tmp_path: Path, saved: int, wanted: int
) -> None:
    teacher = randomised(build(TINY, saved), 9)
    save_network(tmp_path / "own.pt", teacher, TINY, {})
    network = build(TINY, wanted)
    front = network.head.weight[4:].detach().clone()
    assert load_weights(network, TINY, weights_for("tyrion", tmp_path / "own.pt")).head
    image = torch.rand(1, 1, 128, 128)
    with torch.no_grad():
        zones, expected = network.eval()(image)[:, :4], teacher.eval()(image)[:, :4]
    torch.testing.assert_close(zones, expected, rtol=1e-5, atol=1e-5 * float(expected.std()))
    assert torch.equal(network.head.weight[4:], front)


def test_own_checkpoints_are_starting_weights_too(tmp_path: Path) -> None:
    teacher = randomised(build(TINY), 9)
    save_network(tmp_path / "own.pt", teacher, TINY, {"glaciers": ["COL", "X"]})
    weights = weights_for("tyrion", tmp_path / "own.pt")
    network = build(TINY)
    report = load_weights(network, TINY, weights)
    assert report.head
    assert report.glaciers == ("COL", "X")
    assert_equal_states(network.state_dict(), teacher.state_dict())


def test_no_weights_change_nothing() -> None:
    network = build(TINY)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert load_weights(network, TINY, StartingWeights()).source == "none"
    assert_equal_states(network.state_dict(), before)


def assert_refused(source: str, path: Path, match: str) -> None:
    weights = weights_for(source, path)
    network = build(TINY)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(UserError, match=match) as caught:
        load_weights(network, TINY, weights)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_equal_states(network.state_dict(), before)


@pytest.mark.parametrize("source", ["timm", "microsoft", "tyrion"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_missing_and_damaged_files(source: str, name: str, tmp_path: Path) -> None:
    assert_refused(source, tmp_path / name, "does not exist")
    (tmp_path / name).write_bytes(b"\x00" * 100)
    assert_refused(source, tmp_path / name, "damaged")


@pytest.mark.parametrize("source", ["timm", "microsoft", "tyrion"])
def test_another_network(source: str, tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(10)}, path)
    assert_refused(source, path, "no Swin V2 encoder|not a Tyrion checkpoint")


@pytest.mark.parametrize("content", [[1], {1: torch.zeros(1)}, "text"])
def test_no_table(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    assert_refused("microsoft", tmp_path / "x.pth", "not a table of weights")


def test_every_missing_or_extra_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = microsoft_layout(classifier().state_dict())
    bias = state.pop("layers.1.blocks.0.attn.q_bias")
    torch.save({"model": state}, path)
    assert_refused("microsoft", path, r"lacks layers_1\.blocks\.0\.attn\.q_bias")
    full = {**state, "layers.1.blocks.0.attn.q_bias": bias, "layers.1.blocks.0.gate": bias}
    torch.save({"model": full}, path)
    assert_refused("microsoft", path, r"no place for layers_1\.blocks\.0\.gate")


def test_original_checkpoints_are_mapped_strictly(tmp_path: Path) -> None:
    path = tmp_path / "n.ckpt"
    state = official_layout(build(TINY))
    torch.save(lightning(state, **{"other_network.weight": torch.zeros(1)}), path)
    assert_refused("tyrion", path, r"unknown entry other_network\.weight")
    torch.save(lightning({**state, "pred_target.1.block.gate.weight": torch.zeros(1)}), path)
    assert_refused("tyrion", path, r"no place for decoder\.blocks\.1\.residual\.gate\.weight")
    del state["pred_target.3.up.conv.bias"]
    torch.save(lightning(state), path)
    assert_refused("tyrion", path, r"lacks decoder\.blocks\.3\.up_conv\.bias")


def test_a_network_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "n.ckpt"
    torch.save(lightning(official_layout(build(TINY))), path)
    config = TyrionConfig(**{**TINY.model_dump(), "embed_dim": 16})
    with pytest.raises(UserError, match="has shape"):
        load_weights(build(config), config, weights_for("tyrion", path))


def test_image_net_weights_without_their_file_are_never_fetched_here() -> None:
    with pytest.raises(UserError, match=r"weights_file: no file"):
        load_weights(build(TINY), TINY, StartingWeights(kind="imagenet"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 3}, "format version 3, known is 2"),
        ({"network": None}, "does not say which network"),
        ({"state": None}, "not a table of tensors"),
        ({"state": {}}, "not a Tyrion checkpoint"),
    ],
)
def test_an_own_checkpoint_that_was_altered(
    change: dict[str, object], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.ckpt"
    save_network(path, build(TINY), TINY, {})
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    assert_refused("tyrion", path, told)


def test_an_own_checkpoint_with_a_weight_that_is_no_number(tmp_path: Path) -> None:
    network = build(TINY)
    with torch.no_grad():
        network.decoder.blocks[2].up_conv.bias[1] = float("nan")
    save_network(tmp_path / "own.ckpt", network, TINY, {})
    assert_refused("tyrion", tmp_path / "own.ckpt", r"decoder\.blocks\.2\.up_conv\.bias holds NaN")


@pytest.mark.parametrize("source", ["timm", "tyrion"])
def test_gains_come_from_the_file_whatever_random_networks_have(
    tmp_path: Path, source: str
) -> None:
    path = tmp_path / "weights.bin"
    own = lightning(official_layout(randomised(build(TINY))))
    torch.save(classifier().state_dict() if source == "timm" else own, path)
    states = []
    for legacy in (False, True):
        torch.manual_seed(0)
        config = TINY.model_copy(update={"legacy_post_norm_ones": legacy})
        network = build(config)
        load_weights(network, config, weights_for(source, path))
        states.append(network.state_dict())
    assert_equal_states(*states)


def foreign_file(source: str, path: Path, more: State) -> None:
    """Write a file of another origin with further tensors; tables of its own are replaced."""
    if source == "tyrion":
        state = official_layout(build(TINY))
    elif source == "microsoft":
        state = microsoft_layout(classifier().state_dict())
    else:
        state = dict(classifier().state_dict())
    table = re.compile("relative_|attn_mask")
    state = {key: value for key, value in state.items() if not table.search(key)}
    torch.save(lightning({**state, **more}) if source == "tyrion" else {**state, **more}, path)


@pytest.mark.parametrize(
    ("source", "windows"),
    [
        ("timm", (16,)),
        ("microsoft", (16, 16, 16, 8)),
        ("tyrion", (16, 16, 16, 8)),
        ("timm", (8, 8, 8, 16)),
        ("timm", (4, 4, 4, 4)),
        ("timm", (12, 12, 12, 6)),
    ],
)
def test_tables_of_other_windows_are_refused(
    source: str, windows: tuple[int, ...], tmp_path: Path
) -> None:
    foreign_file(source, tmp_path / "w.pth", tables(*windows))
    told = r"tables state attention windows of \d+ tokens in stage \d, .* window_tokens 8"
    assert_refused(source, tmp_path / "w.pth", told)


@pytest.mark.parametrize(
    ("source", "windows"),
    [("microsoft", (8, 8, 8, 8)), ("tyrion", (8, 8, 8, 4)), ("timm", (8, 8, 4, 2)), ("timm", (8,))],
)
def test_windows_that_only_a_smaller_map_cuts_are_accepted(
    source: str, windows: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "w.pth"
    foreign_file(source, path, tables(*windows))
    weights = weights_for(source, path)
    assert load_weights(build(TINY), TINY, weights).tensors > 0


@pytest.mark.parametrize("windows", [(8, 4, 8, 8), (8, 8, 8, 3), (8, 4, 4, 4)])
def test_windows_that_do_not_follow_from_one_are_refused(
    windows: tuple[int, ...], tmp_path: Path
) -> None:
    foreign_file("timm", tmp_path / "w.pth", tables(*windows))
    assert_refused("timm", tmp_path / "w.pth", "do not follow from windows of 8")


def test_every_kind_of_table_states_the_window(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    for name, tensor in (
        *tables(16).items(),
        ("layers.0.blocks.1.attn_mask", torch.zeros(4, 256, 256)),
        ("layers.0.blocks.1.attn.attn_mask", torch.zeros(1, 256, 256)),
    ):
        foreign_file("timm", path, {name: tensor})
        assert_refused("timm", path, "windows of 16 tokens in stage 1")
    for tensor in (torch.zeros(4, 64, 63), torch.zeros(64), torch.zeros(3, 5, 5)):
        foreign_file("timm", path, {**tables(8), "layers.0.blocks.1.attn_mask": tensor})
        assert_refused("timm", path, r"attn_mask is not the table of an attention window")
    foreign_file("timm", path, {**tables(8), "layers.0.blocks.1.attn_mask": torch.zeros(4, 16, 16)})
    assert_refused("timm", path, r"windows of 4 tokens, another table of its stage of 8")


def test_tables_that_were_scaled_for_another_window_are_refused(tmp_path: Path) -> None:
    """Networks brought from window 12 to 16 keep the coordinates of 12: shapes say 16."""
    path = tmp_path / "w.pth"
    foreign_file("microsoft", path, tables(8, 8, 8, 8, pretrained=6))
    assert_refused("microsoft", path, "relative_coords_table has other values")
    turned = {key: value.flip(0) if "index" in key else value for key, value in tables(8).items()}
    foreign_file("microsoft", path, turned)
    assert_refused("microsoft", path, "relative_position_index has other values")


@pytest.mark.parametrize(
    ("metadata", "refused"),
    [
        ({"window_size": "16"}, True),
        ({"window_size": "(8, 8)"}, False),
        ({"depths": "[2, 2, 6, 2]", "format": "pt"}, True),
        ({"depths": "[2, 1, 1, 1]", "embed_dim": "8", "num_heads": "1,2,2,4"}, False),
        ({"format": "pt"}, False),
    ],
)
def test_metadata_that_state_the_geometry_are_compared(
    metadata: dict[str, str], refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    save_file({k: v.contiguous() for k, v in classifier().state_dict().items()}, path, metadata)
    if refused:
        assert_refused("timm", path, "its metadata have")
    else:
        weights = weights_for("timm", path)
        load_weights(build(TINY), TINY, weights)
