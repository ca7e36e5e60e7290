"""Stored probabilities: precision, laziness, determinism, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.predict.probabilities import (
    QUANTISATION_ERROR,
    ProbabilityReader,
    write_probabilities,
)


def random_probabilities(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    p = np.random.default_rng(seed).random((4, height, width)).astype(np.float32)
    return p / p.sum(0)


@pytest.fixture
def scenes() -> dict[str, NDArray[np.float32]]:
    return {"b": random_probabilities(7, 5), "a": random_probabilities(1, 9, 1)}


@pytest.fixture
def stored(tmp_path: Path, scenes: dict[str, NDArray[np.float32]]) -> Path:
    path = tmp_path / "p.npz"
    with write_probabilities(path) as writer:
        for name, probabilities in scenes.items():
            writer.add(name, probabilities)
    return path


def test_round_trip_within_the_documented_error(
    stored: Path, scenes: dict[str, NDArray[np.float32]]
) -> None:
    with ProbabilityReader(stored) as reader:
        assert reader.names == ["b", "a"]
        for name, probabilities in scenes.items():
            back = reader.read(name)
            assert back.dtype == np.float32
            assert np.abs(back - probabilities).max() <= QUANTISATION_ERROR + 1e-7
            assert reader.read_levels(name).dtype == np.uint8


def test_zero_and_one_are_exact(tmp_path: Path) -> None:
    p = np.stack([np.ones((3, 3)), np.zeros((3, 3))]).astype(np.float32)
    with write_probabilities(tmp_path / "p.npz") as writer:
        writer.add("x", p)
    with ProbabilityReader(tmp_path / "p.npz") as reader:
        assert np.array_equal(reader.read("x"), p)


def test_numpy_reads_it_without_pickle(stored: Path) -> None:
    with np.load(stored, allow_pickle=False) as archive, ProbabilityReader(stored) as reader:
        assert sorted(archive.files) == ["a", "b"]
        assert np.array_equal(archive["a"], reader.read_levels("a"))


def test_equal_content_gives_equal_bytes(
    stored: Path, tmp_path: Path, scenes: dict[str, NDArray[np.float32]]
) -> None:
    with write_probabilities(tmp_path / "q.npz") as writer:
        for name, probabilities in scenes.items():
            # Another order in memory is still the same content.
            writer.add(name, np.asfortranarray(probabilities))
    assert (tmp_path / "q.npz").read_bytes() == stored.read_bytes()


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="stop"),
        write_probabilities(tmp_path / "p.npz") as writer,
    ):
        writer.add("x", random_probabilities(2, 2))
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1])
def test_only_probabilities_are_stored(tmp_path: Path, value: float) -> None:
    bad = np.full((4, 2, 2), value, np.float32)
    with (
        pytest.raises(ValueError, match="within 0 and 1"),
        write_probabilities(tmp_path / "p.npz") as writer,
    ):
        writer.add("x", bad)


def test_a_scene_is_stored_once(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="added before"),
        write_probabilities(tmp_path / "p.npz") as writer,
    ):
        writer.add("x", random_probabilities(2, 2))
        writer.add("x", random_probabilities(2, 2))


def test_missing_file_and_scene(stored: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        ProbabilityReader(stored.with_name("none.npz"))
    with (
        ProbabilityReader(stored) as reader,
        pytest.raises(UserError, match="scene zzz is not in the file"),
    ):
        reader.read("zzz")


def test_damaged_files(stored: Path) -> None:
    content = stored.read_bytes()
    stored.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="damaged"):
        ProbabilityReader(stored)
    flipped = bytearray(content)
    flipped[120] ^= 0xFF
    stored.write_bytes(flipped)
    with ProbabilityReader(stored) as reader, pytest.raises(UserError, match="scene b is damaged"):
        reader.read("b")


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, x=np.zeros((2, 2)), y=np.array([object()], dtype=object))
    with ProbabilityReader(path) as reader:
        with pytest.raises(UserError, match=r"scene x holds \(2, 2\) float64"):
            reader.read("x")
        with pytest.raises(UserError, match="scene y is damaged"):
            reader.read("y")
