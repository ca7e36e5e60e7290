"""Networks on disk: tensors and builtins only, so that a file can be loaded without trust."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from pydantic import ValidationError
from torch import Tensor

from ssl4sar.config.networks import NetworkSettings, network_settings
from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError
from ssl4sar.models.network import ZoneNetwork
from ssl4sar.models.registry import build_network

FORMAT: Final = "ssl4sar-network"
VERSION: Final = 2
#: A file of this version, of the time when there was Tyrion alone, is read too.
_TYRION_ALONE: Final = 1
#: Name under which every training leaves its network.
NETWORK_NAME: Final = "model.ckpt"
_AGAIN: Final = "make the checkpoint again with this version"
_TRUST: Final = "use a file that contains only tensors and plain values"


def read_torch_file(path: str | Path) -> Any:
    """Read a torch file without executing code from it.

    Returns:
        What the file holds, tensors on the CPU.

    Raises:
        UserError: missing, damaged, no torch file, or a file that needs code to be executed.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "the file does not exist", "check the path")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        foreign = _foreign_names(path)
        if foreign:
            raise UserError(
                path, f"the file holds more than tensors ({', '.join(foreign)})", _TRUST
            ) from error
        raise UserError(path, "the file is damaged or no torch file", "get it again") from error
    # Its parser meets damaged bytes with whatever they make it stumble over: IndexError,
    # struct.error, AssertionError and more.
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(path, f"the file is damaged ({first_line})", "get it again") from error


def _foreign_names(path: Path) -> list[str]:
    """Return what a file asks to import beyond tensors; nothing where that is unknown."""
    try:
        if zipfile.is_zipfile(path):
            return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # damaged bytes again: the caller says so
        return []
    return []


class _ErrorKeeper:
    """A stream that keeps the error of the system, which torch replaces by one of its own."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._stream.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._stream.flush()


def save_torch_file(path: str | Path, content: Any) -> None:
    """Write a torch file, atomically.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        # A stream instead of a path: torch would name the zip's folder after the random file.
        keeper = _ErrorKeeper(stream)
        try:
            torch.save(content, keeper)  # type: ignore[arg-type]
        except RuntimeError as error:
            if keeper.error is not None:
                raise keeper.error from error
            raise


def save_network(
    path: str | Path,
    network: ZoneNetwork,
    settings: NetworkSettings,
    info: Mapping[str, Any],
    *,
    extra: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a network, atomically; equal content gives equal bytes.

    Args:
        path: file.
        network: network built from ``settings``.
        settings: what the network can be built from again.
        info: facts about the training that JSON can hold.
        extra: tensors of layers behind the network, e.g. of a pretext task.

    Raises:
        TypeError: ``info`` holds something else.
        UserError: the disk is full or the folder cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        # The round trip through JSON refuses anything that would need trust on loading, and makes
        # every string an object of its own: shared ones would change the bytes of the file.
        "network": json.loads(settings.model_dump_json()),
        "out_channels": network.out_channels,
        "info": json.loads(json.dumps(dict(info))),
        # Copies in standard layout: the memory order of a tensor would be part of the bytes.
        "state": _plain(network.state_dict()),
    }
    if extra:
        content["extra"] = _plain(extra)
    save_torch_file(path, content)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for key, value in tensors.items()
    }


def load_network(
    path: str | Path, device: torch.device | str = "cpu"
) -> tuple[ZoneNetwork, dict[str, Any]]:
    """Read a network that :func:`save_network` wrote.

    Args:
        path: file.
        device: where to put the network.

    Returns:
        The network in evaluation mode, and the info saved with it.

    Raises:
        UserError: missing, damaged or foreign file, a newer format, or tensors that do not fit.
    """
    path = Path(path)
    content = read_torch_file(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        fix = f"give the {NETWORK_NAME} of a training"
        raise UserError(path, "the file is not a network of ssl4sar", fix)
    require_version(content, path)
    try:
        settings = network_settings(network_values(content, path))
        state, info, out_channels = content["state"], content["info"], content["out_channels"]
    except (KeyError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(path, f"the checkpoint is incomplete ({reason})", _AGAIN) from error
    network = build_network(settings, out_channels)
    check_state(path, state, network.state_dict())
    network.load_state_dict(state)
    return network.eval().to(device), info


def require_version(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a file of another version of the format than the known ones."""
    if content.get("version") not in {_TYRION_ALONE, VERSION}:
        raise UserError(
            path,
            f"the network has format version {content.get('version')}, known is {VERSION}",
            "use the version of ssl4sar that wrote it",
        )


def network_values(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the settings of the network in a file, unvalidated.

    Raises:
        UserError: the file does not say which network it holds.
    """
    old = content.get("version") == _TYRION_ALONE
    values = content.get("model" if old else "network")
    if not isinstance(values, Mapping):
        raise UserError(path, "the checkpoint does not say which network it holds", _AGAIN)
    if not old:
        return dict(values)
    sizes = {key: value for key, value in values.items() if not key.startswith("weights")}
    return {"name": "tyrion", **sizes}


def check_state(path: str | Path, state: Any, expected: Mapping[str, Tensor]) -> None:
    """Check that tensors fit a network: same names, same shapes, finite.

    Raises:
        UserError: names or shapes differ, or a value is NaN or infinite.
    """
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(path, "the weights are not a table of tensors", "give another file")
    missing = sorted(expected.keys() - state.keys())
    if missing:
        raise UserError(path, f"the file lacks {_some(missing)}", "give the file of this network")
    unexpected = sorted(state.keys() - expected.keys())
    if unexpected:
        raise UserError(
            path,
            f"the network has no place for {_some(unexpected)}",
            "give the file of this network",
        )
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            raise UserError(
                path,
                f"{key} has shape {tuple(state[key].shape)}, the network {tuple(tensor.shape)}",
                "use the network settings the file was made with",
            )
        if state[key].is_floating_point() and not torch.isfinite(state[key]).all():
            raise UserError(path, f"{key} holds NaN or infinity", "give a file of a sane training")


def _some(names: list[str], shown: int = 5) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
