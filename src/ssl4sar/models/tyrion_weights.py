"""Starting weights from files of other origin: ImageNet encoders and Tyrion checkpoints.

Microsoft's Swin V2 files merge patches at the end of a stage (``layers.0.downsample``), timm at
the start of the next (``layers.1.downsample``); everything else is named alike. Tyrion
checkpoints of the original implementation use Microsoft's names for the encoder.
Sources: Swin Transformer V2 (Liu et al. 2022, arXiv:2111.09883); SSL4SAR (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from timm.models.swin_transformer_v2 import WindowAttention
from torch import Tensor, nn

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.models.attention import stage_windows
from ssl4sar.models.checkpoint import (
    FORMAT,
    check_state,
    network_values,
    read_torch_file,
    require_version,
)
from ssl4sar.models.network import FRONT
from ssl4sar.models.starting import WeightsReport

OFFICIAL_PREFIX: Final = "swin_unet."

#: Derived tables, and the classifier with its norm, which Tyrion does not have.
_ENCODER_IGNORED: Final = re.compile(
    r".*\.(relative_position_index|relative_coords_table|attn_mask)|(norm|head)\..*"
)
#: Tables that state the side of the attention windows of a stage.
_TABLE: Final = re.compile(
    r"(?:.*\.)?layers[._](\d+)\.blocks\.\d+\."
    r"(?:attn\.)?(relative_coords_table|relative_position_index|attn_mask)"
)
#: Two ways of writing the same coordinates differ by less.
_SAME_COORDINATE: Final = 1e-3
#: Entries of a safetensors file's metadata that state the geometry, by key of the settings.
_METADATA: Final = {
    "window_size": "window_tokens",
    "window_tokens": "window_tokens",
    "embed_dim": "embed_dim",
    "depths": "depths",
    "num_heads": "num_heads",
}
#: Layers of the original implementation that never take part in its forward pass.
_DEAD: Final = re.compile(r"pred_target\.\d+\.block\.temb_proj\.(weight|bias)|outputt\.weight")
#: Heads of the pretext tasks, beside the network in its checkpoints.
_PRETEXT: Final = re.compile(
    r"(last_model_decoder_layer|decoder|patch_embed_after_decoder)\..*|mask_token"
)
#: What makes two networks different although tensors may fit.
_GEOMETRY: Final = ("embed_dim", "depths", "num_heads", "window_tokens", "input_px")
#: Settings of the networks built around a Tyrion.
_FORM: Final = ("temporal", "decoder")
#: Settings that files written before they existed do not state.
_LATER: Final = {"input_gamma": 1.0}
_DECODER_NAMES: Final = (
    (re.compile(r"pred_target\.6\.(weight|bias)"), r"head.\1"),
    (
        re.compile(r"pred_target\.([0-5])\.block\.nin_shortcut\.(.+)"),
        r"decoder.blocks.\1.residual.shortcut.\2",
    ),
    (re.compile(r"pred_target\.([0-5])\.block\.(.+)"), r"decoder.blocks.\1.residual.\2"),
    (re.compile(r"pred_target\.([0-5])\.up\.conv\.(.+)"), r"decoder.blocks.\1.up_conv.\2"),
)


def load_weights(
    network: nn.Module, config: TyrionConfig, weights: StartingWeights
) -> WeightsReport:
    """Fill a Tyrion with the weights that it starts from, in place.

    Returns:
        What was loaded.

    Raises:
        UserError: missing, damaged or foreign file, names or shapes that do not fit, or tables
            that state another geometry.
    """
    if weights.file is None:
        # The workflow fetches the file beforehand: a training job never needs the network.
        raise UserError("weights_file", "no file with the weights is given", "give one")
    path = Path(weights.file)
    table = _read_table(path)
    if table.get("format") != FORMAT:
        _check_metadata(path, config)
        _check_tables(_unwrap(table), config, path)
    if weights.kind == "checkpoint":
        count, head = _load_tyrion(network, table, path, config)
    else:
        state = encoder_state(_unwrap(table))
        _load_encoder(network, state, path)
        count, head = len(state), False
    return WeightsReport(
        weights.kind, str(path), sha256_file(path), count, head, *_origin(table.get("info"))
    )


def holds_network(weights: StartingWeights, name: str) -> bool:
    """Return whether weights are in a checkpoint of this package of the network of a name.

    Raises:
        UserError: missing or damaged file.
    """
    if weights.kind != "checkpoint" or weights.file is None:
        return False
    path = Path(weights.file)
    table = _read_table(path)
    return table.get("format") == FORMAT and network_values(table, path).get("name") == name


def _origin(info: Any) -> tuple[tuple[str, ...], int | None]:
    """Return glaciers and unfinished epoch that a checkpoint of this package names."""
    if not isinstance(info, Mapping):
        return (), None
    glaciers, epoch = info.get("glaciers"), info.get("epoch")
    known = tuple(map(str, glaciers)) if isinstance(glaciers, list) else ()
    return known, epoch if info.get("unfinished") is True and isinstance(epoch, int) else None


def encoder_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the tensors of a Swin V2 classifier to those of Tyrion's encoder.

    Args:
        state: tensors by name, in Microsoft's or timm's layout.

    Returns:
        Tensors by name in the encoder; derived tables, final norm and classifier are left out.
    """
    merges_at_end = "layers.0.downsample.reduction.weight" in state
    renamed = {}
    for key, value in state.items():
        if _ENCODER_IGNORED.fullmatch(key):
            continue
        match = re.fullmatch(r"layers\.(\d+)\.(.+)", key)
        if match is None:
            renamed[key] = value
            continue
        shift = merges_at_end and match[2].startswith("downsample.")
        renamed[f"layers_{int(match[1]) + shift}.{match[2]}"] = value
    return renamed


def official_state(table: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Rename the tensors of an original Tyrion checkpoint to those of Tyrion.

    Accepts checkpoints of the fine-tuning and of both pretext tasks. The class head of a pretext
    checkpoint was never trained and is left out, as are layers without any use.

    Args:
        table: ``state_dict`` of the checkpoint, names with or without the prefix ``swin_unet.``.
        path: file named in the error.

    Returns:
        Tensors by name in Tyrion.

    Raises:
        UserError: a name outside the network that is not known.
    """
    prefixed = any(key.startswith(OFFICIAL_PREFIX) for key in table)
    pretext = prefixed and any(_PRETEXT.fullmatch(key) for key in table)
    encoder: dict[str, Any] = {}
    renamed: dict[str, Any] = {}
    for key, value in table.items():
        if prefixed and not key.startswith(OFFICIAL_PREFIX):
            if _PRETEXT.fullmatch(key):
                continue
            raise UserError(path, f"unknown entry {key}", "give an original Tyrion checkpoint")
        name = key.removeprefix(OFFICIAL_PREFIX)
        if _DEAD.fullmatch(name) or (pretext and name.startswith("pred_target.6.")):
            continue
        for pattern, replacement in _DECODER_NAMES:
            if pattern.fullmatch(name):
                renamed[pattern.sub(replacement, name)] = value
                break
        else:
            encoder[name] = value
    renamed |= {f"encoder.{key}": value for key, value in encoder_state(encoder).items()}
    return renamed


def _read_table(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise UserError(path, "the file does not exist", "check the path")
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise UserError(path, f"the file is damaged ({error})", "get it again") from error
    table = read_torch_file(path)
    if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
        raise UserError(path, "the file is not a table of weights", "give a file with a state dict")
    return table


def _unwrap(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the innermost state dict: files wrap it as ``model`` or ``state_dict``."""
    for key in ("model", "state_dict"):
        if isinstance(table.get(key), Mapping):
            return table[key]  # type: ignore[no-any-return]
    return table


def _load_encoder(network: nn.Module, state: dict[str, Any], source: str | Path) -> None:
    encoder = network.get_submodule("encoder")
    expected = encoder.state_dict()
    if not state.keys() & expected.keys():
        raise UserError(
            source, "the file holds no Swin V2 encoder", "give a Swin V2-T file (window 16)"
        )
    check_state(source, state, expected)
    encoder.load_state_dict(state)


def _check_geometry(config: TyrionConfig, table: Mapping[str, Any], path: Path) -> None:
    """Refuse another network, also where all shapes agree, as with other attention windows."""
    made_with = _LATER | network_values(table, path)
    wanted = config.model_dump(mode="json")
    for key in ("name", *_FORM, *_GEOMETRY, *_LATER):
        if made_with.get(key) != wanted.get(key):
            raise UserError(
                path,
                f"the checkpoint has network.{key} {made_with.get(key)}, where "
                f"{wanted.get(key)} is needed",
                "use the network settings the file was made with, or pretrain again",
            )


def _check_metadata(path: Path, config: TyrionConfig) -> None:
    """Refuse a safetensors file whose metadata state another network."""
    if path.suffix != ".safetensors":
        return
    with safe_open(path, "pt") as file:
        metadata: Mapping[str, str] = file.metadata() or {}
    wanted = config.model_dump(mode="json")
    for entry, key in _METADATA.items():
        numbers = [int(number) for number in re.findall(r"\d+", metadata.get(entry, ""))]
        expected = wanted[key] if isinstance(wanted[key], list) else [wanted[key]]
        # A window may be written once for each of its sides.
        if numbers and numbers not in (expected, 2 * expected):
            raise UserError(
                path,
                f"its metadata have {entry} {metadata[entry]}, this network {key} {wanted[key]}",
                "use the network settings the file was made with",
            )


def _check_tables(table: Mapping[str, Any], config: TyrionConfig, path: Path) -> None:
    """Refuse a network with other attention windows: nothing else shows them, all shapes agree.

    A window is never larger than its map. A file for another input size therefore has smaller
    windows in its last stages, as the ImageNet weights for 256 px have beside a network for 512 px.
    The input size itself, which masks state, may differ: no weight depends on it.
    """
    windows: dict[int, int] = {}
    for key, tensor in table.items():
        match = _TABLE.fullmatch(key)
        if match is None:
            continue
        window = _window_of(match[2], tensor)
        if window is None:
            raise UserError(path, f"{key} is not the table of an attention window", "get it again")
        other = windows.setdefault(int(match[1]), window)
        if other != window:
            raise UserError(
                path,
                f"{key} states attention windows of {window} tokens, another table of its stage "
                f"of {other}",
                "get it again",
            )
        _check_positions(key, match[2], tensor, window, path)
    nominal = windows.get(0)
    same = {config.window_tokens, stage_windows(config)[0]}
    for stage, window in sorted(windows.items()):
        if (stage == 0 and window not in same) or window > config.window_tokens:
            raise UserError(
                path,
                f"its tables state attention windows of {window} tokens in stage {stage + 1}, this "
                f"network has window_tokens {config.window_tokens}",
                "use the network settings the file was made with, or a file for these windows",
            )
        if nominal is not None and window < nominal:
            # So large is the map of the first stage if that of this one is a single window.
            side = window << stage
            if any(w != min(nominal, side >> at) for at, w in windows.items()):
                sides = ", ".join(str(windows[at]) for at in sorted(windows))
                raise UserError(
                    path,
                    f"its tables state attention windows of {sides} tokens, which do not follow "
                    f"from windows of {nominal}",
                    "give the file of a network with one window size",
                )


def _window_of(kind: str, tensor: Any) -> int | None:
    """Return the side of the attention window that a table states; None: another kind of table."""
    shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else ()
    if kind == "relative_coords_table":
        window = (shape[1] + 1) // 2 if len(shape) == 4 else 0
        expected: tuple[int, ...] = (1, 2 * window - 1, 2 * window - 1, 2)
    else:
        window = math.isqrt(shape[-1]) if shape else 0
        expected = (window**2, window**2)
        expected = (*shape[:1], *expected) if kind == "attn_mask" else expected
    return window if window > 0 and shape == expected else None


def _check_positions(key: str, kind: str, tensor: Tensor, window: int, path: Path) -> None:
    """Refuse positions within the window that were scaled or ordered otherwise."""
    # A window of one token has no positions, and tables of zeros were never filled.
    if kind == "attn_mask" or window == 1 or not tensor.any():
        return
    expected = getattr(WindowAttention(1, (window, window), 1), kind)
    difference = (tensor.double() - expected.double()).abs().max()
    if not difference < _SAME_COORDINATE:
        raise UserError(
            path,
            f"{key} has other values than a network pretrained with windows of {window} tokens",
            "give a file that was not brought from another window size (pretrained_window_size 0)",
        )


def _state_of(table: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    state = table.get("state")
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(path, "the weights are not a table of tensors", "make it again")
    return state


def _load_tyrion(
    network: nn.Module, table: Mapping[str, Any], path: Path, config: TyrionConfig
) -> tuple[int, bool]:
    own_file = table.get("format") == FORMAT
    if own_file:
        require_version(table, path)
        _check_geometry(config, table, path)
        state: dict[str, Tensor] = _state_of(table, path)
    else:
        state = official_state(_unwrap(table), path)
    expected = network.state_dict()
    if not state.keys() & expected.keys():
        raise UserError(path, "the file is not a Tyrion checkpoint", "give a Tyrion checkpoint")
    head = {key: value for key, value in expected.items() if key.startswith("head.")}
    loaded_head = {key: _zone_rows(state.pop(key, None), own) for key, own in head.items()}
    fits = all(value is not None for value in loaded_head.values())
    if fits:
        state |= cast(dict[str, Tensor], loaded_head)
    else:
        expected = {key: value for key, value in expected.items() if key not in head}
    check_state(path, state, expected)
    network.load_state_dict(state, strict=fits)
    return len(state), fits


def _zone_rows(loaded: Tensor | None, own: Tensor) -> Tensor | None:
    """Return a weight or bias of the head as far as it is for the same outputs, or None.

    A head for other classes or of a pretext task stays behind: the network retains its own. Of two
    heads for zones, with and without an output for the front, the zones are taken.
    """
    if loaded is None or loaded.shape == own.shape:
        return loaded
    counts = {len(loaded), len(own)}
    if counts != {CLASS_COUNT, FRONT + 1} or loaded.shape[1:] != own.shape[1:]:
        return None
    return torch.cat((loaded[:CLASS_COUNT], own[CLASS_COUNT:]))
