"""Networks on disk: round trips and everything that can be wrong with a file."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest
import torch

from ssl4sar.config.networks import (
    AsppUnetConfig,
    NetworkSettings,
    TemporalTyrionConfig,
    TyrionConfig,
)
from ssl4sar.core.errors import UserError
from ssl4sar.models.checkpoint import (
    NETWORK_NAME,
    load_network,
    save_network,
    save_torch_file,
)
from ssl4sar.models.registry import build_network
from ssl4sar.models.tyrion import Tyrion, build

TINY = TyrionConfig(
    input_px=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_tokens=4
)


@pytest.fixture(scope="module")
def network() -> Tyrion:
    torch.manual_seed(1)
    return build(TINY).eval()


@pytest.fixture
def saved(network: Tyrion, tmp_path: Path) -> Path:
    path = tmp_path / "network.pt"
    save_network(path, network, TINY, {"seed": 3, "history": [1.0, None], "note": "a"})
    return path


def altered(path: Path, **changes: Any) -> Path:
    content = torch.load(path, weights_only=True)
    content.update(changes)
    torch.save(content, path)
    return path


def test_round_trip_keeps_outputs_and_info(network: Tyrion, saved: Path) -> None:
    loaded, info = load_network(saved, "cpu")
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(image), network(image))
    assert info == {"seed": 3, "history": [1.0, None], "note": "a"}
    assert not loaded.training


def test_equal_content_gives_equal_bytes(network: Tyrion, saved: Path, tmp_path: Path) -> None:
    loaded, info = load_network(saved)
    again = tmp_path / "elsewhere" / "other_name.pt"
    save_network(again, loaded, TINY, info)
    assert again.read_bytes() == saved.read_bytes()


def test_other_heads_survive(tmp_path: Path) -> None:
    save_network(tmp_path / "n.pt", build(TINY, 14), TINY, {})
    assert load_network(tmp_path / "n.pt")[0].out_channels == 14


@pytest.mark.parametrize(
    "settings",
    [
        AsppUnetConfig(input_px=64, first_channels=4, levels=3, dilations=(1, 2)),
        TemporalTyrionConfig(**TINY.model_dump(exclude={"name"}), temporal="gru", decoder="lean"),
    ],
    ids=lambda settings: settings.name,
)
def test_every_network_comes_back(settings: NetworkSettings, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = build_network(settings)
    save_network(tmp_path / "n.pt", made, settings, {})
    network, _ = load_network(tmp_path / "n.pt")
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(network(image), made.eval()(image))


def test_a_file_of_the_time_of_tyrion_alone_is_read(saved: Path) -> None:
    content = torch.load(saved, weights_only=True)
    network = content.pop("network")
    network.pop("name")
    content |= {"version": 1, "model": {**network, "weights": "none", "weights_file": None}}
    torch.save(content, saved)
    again, _ = load_network(saved)
    assert again.input_px == TINY.input_px


def test_info_must_be_plain(network: Tyrion, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_network(tmp_path / "n.pt", network, TINY, {"path": tmp_path})
    assert not list(tmp_path.iterdir())


def assert_refused(path: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        load_network(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    assert_refused(tmp_path / "n.pt", "does not exist")


@pytest.mark.parametrize("kept", [0, 1, 1000, -100])
def test_truncated(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    assert_refused(saved, "damaged")


@pytest.mark.parametrize("content", [b"the owner's", b"\x80\x02u.", b"\x80\x02]e.", b"h\x07."])
def test_bytes_that_look_like_a_pickle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "n.pt"
    path.write_bytes(content)
    assert_refused(path, "damaged")


def test_code_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "n.pt"
    torch.save({"format": "ssl4sar-network", "x": Path("/")}, path)
    assert_refused(path, "more than tensors")


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"format": "other"}])
def test_foreign(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "n.pt")
    assert_refused(tmp_path / "n.pt", rf"not a network of ssl4sar; give the {NETWORK_NAME} of")


def test_newer_format(saved: Path) -> None:
    assert_refused(altered(saved, version=3), "format version 3")


def test_incomplete(saved: Path) -> None:
    assert_refused(altered(saved, network={"unknown_key": 1}), "incomplete")


def test_shapes_of_another_size(saved: Path) -> None:
    other = TINY.model_copy(update={"embed_dim": 16}).model_dump(mode="json")
    assert_refused(altered(saved, network=other), "has shape")


def test_missing_and_unexpected_tensors(saved: Path) -> None:
    state = torch.load(saved, weights_only=True)["state"]
    bias = state.pop("head.bias")
    assert_refused(altered(saved, state=state), "lacks head.bias")
    assert_refused(altered(saved, state={**state, "head.bias": bias, "extra": bias}), "extra")


def test_nan(saved: Path) -> None:
    state = torch.load(saved, weights_only=True)["state"]
    state["head.bias"][0] = float("nan")
    assert_refused(altered(saved, state=state), "head.bias holds NaN")


class SmallDisk(io.FileIO):
    """A file on a disk with room for some bytes only."""

    room = 0

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("room", [0, 1000, 60_000])
@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_disk_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, buffered: bool
) -> None:
    def small(path: Path, mode: str) -> Any:
        disk = SmallDisk(path, mode)
        disk.room = room
        return io.BufferedWriter(disk) if buffered else disk

    path = tmp_path / "weights.pt"
    save_torch_file(path, {"w": torch.zeros(9)})
    before = path.read_bytes()
    monkeypatch.setattr(Path, "open", small)
    with pytest.raises(UserError, match="no space left") as caught:
        save_torch_file(path, {"a": torch.zeros(9000), "b": torch.zeros(9000)})
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_real_full_device_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr(Path, "open", lambda path, mode: open("/dev/full", mode))  # noqa: PTH123, SIM115
    with pytest.raises(UserError, match="no space left"):
        save_torch_file(tmp_path / "weights.pt", {"w": torch.zeros(300_000)})
