"""Whose a resume folder is: resume, set aside, take back, and never delete another's work."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ssl4sar.train.operations.resume_folder import LAST, PREVIOUS, UPCOMING, claim

BEST = "best_loss-epoch0002.pt"


def checkpoint(fingerprint="abc", epochs_done=2):
    return {
        "state_dict": {"w": torch.arange(1000.0)},
        "ssl4sar": {"fingerprint": fingerprint, "epochs_done": epochs_done, "step": 7},
    }


def trained(folder, fingerprint, epochs_done=2):
    """Write what a training of this fingerprint leaves."""
    torch.save(checkpoint(fingerprint, epochs_done - 1), folder / PREVIOUS)
    torch.save(checkpoint(fingerprint, epochs_done), folder / LAST)
    (folder / BEST).write_text(fingerprint)
    for name in ("tensorboard/events", "pictures/epoch00001.npy"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(fingerprint)


def content(folder):
    """Return the names of what a training left, with the text of what tells its fingerprint."""
    own = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): "" if path.suffix == ".ckpt" else path.read_text()
        for path in own
        if not path.relative_to(folder).parts[0].startswith("superseded-")
    }


def superseded(folder):
    return sorted(path.name for path in folder.glob("superseded-*"))


def test_no_folder_is_no_resume_point(tmp_path):
    assert claim(tmp_path / "missing", "abc") is None


def test_the_newest_matching_checkpoint_is_found(tmp_path):
    torch.save(checkpoint(epochs_done=1), tmp_path / PREVIOUS)
    torch.save(checkpoint(epochs_done=2), tmp_path / LAST)
    point = claim(tmp_path, "abc")
    assert (point.path, point.epochs_done, point.step) == (tmp_path / LAST, 2, 7)


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "foreign", "code"])
def test_a_damaged_last_falls_back_to_the_previous(tmp_path, caplog, damage):
    torch.save(checkpoint(epochs_done=1), tmp_path / PREVIOUS)
    last = tmp_path / LAST
    torch.save(checkpoint(epochs_done=2), last)
    if damage == "cut":
        last.write_bytes(last.read_bytes()[:1500])
    elif damage == "empty":
        last.write_bytes(b"")
    elif damage == "noise":
        last.write_bytes(b"\x01\x02" * 999)
    elif damage == "foreign":
        torch.save([1, 2], last)
    else:
        torch.save({"ssl4sar": SimpleNamespace(a=1)}, last)
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        assert claim(tmp_path, "abc").path == tmp_path / PREVIOUS
    assert f"cannot resume from {last}" in caplog.text


def test_another_training_starts_again_and_the_state_comes_back(tmp_path, caplog):
    trained(tmp_path, "a" * 64)
    (tmp_path / UPCOMING).write_text("half")
    (tmp_path / "notes.txt").write_text("of the user")
    before = content(tmp_path)
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        assert claim(tmp_path, "b" * 64) is None
    assert content(tmp_path) == {"notes.txt": "of the user"}
    aside = tmp_path / "superseded-aaaaaaaa"
    (told,) = [record.getMessage() for record in caplog.records]
    assert f"have changed: the state after epoch 2 is in {aside} now; put the change" in told
    # The other training is ended in its first epoch, or after some.
    (tmp_path / BEST).write_text("b")
    assert claim(tmp_path, "a" * 64).epochs_done == 2
    del before[UPCOMING]
    assert content(tmp_path) == before
    assert superseded(tmp_path) == []
    assert claim(tmp_path, "b" * 64) is None
    trained(tmp_path, "b" * 64, epochs_done=5)
    point = claim(tmp_path, "a" * 64)
    assert (point.path, point.epochs_done, point.step) == (tmp_path / LAST, 2, 7)
    assert content(tmp_path) == before
    assert superseded(tmp_path) == ["superseded-bbbbbbbb"]


def test_the_one_that_is_asked_for_is_taken_back_before_others_are_removed(tmp_path):
    for letter in "abc":
        claim(tmp_path, letter * 64)
        trained(tmp_path, letter * 64)
    assert superseded(tmp_path) == ["superseded-aaaaaaaa", "superseded-bbbbbbbb"]
    assert claim(tmp_path, "a" * 64).epochs_done == 2
    assert superseded(tmp_path) == ["superseded-bbbbbbbb", "superseded-cccccccc"]


def test_short_tries_do_not_cost_the_state_that_is_furthest(tmp_path):
    trained(tmp_path, "a" * 64, epochs_done=180)
    for letter in "bcdef":
        assert claim(tmp_path, letter * 64) is None
        trained(tmp_path, letter * 64)
    assert superseded(tmp_path) == [f"superseded-{each * 8}" for each in "ade"]
    assert claim(tmp_path, "a" * 64).epochs_done == 180


class KilledError(Exception):
    """Stands for a process that is killed."""


@pytest.mark.parametrize("moves", range(5))
@pytest.mark.parametrize("back", [False, True], ids=["set aside", "taken back"])
@pytest.mark.parametrize("then", ["a", "b"])
def test_a_move_that_is_cut_short_is_finished(tmp_path, monkeypatch, moves, back, then):
    trained(tmp_path, "a" * 64)
    before = content(tmp_path)
    if back:
        claim(tmp_path, "b" * 64)
    left, whole = [moves], Path.rename

    def rename(self, target):
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return whole(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(KilledError):
            claim(tmp_path, ("a" if back else "b") * 64)
    if then == "b":
        assert claim(tmp_path, "b" * 64) is None
        assert content(tmp_path) == {}
    assert claim(tmp_path, "a" * 64).path == tmp_path / LAST
    assert content(tmp_path) == before
    assert superseded(tmp_path) == []


def test_what_cannot_be_read_is_set_aside_too(tmp_path, caplog):
    trained(tmp_path, "a" * 64)
    for name in (LAST, PREVIOUS):
        (tmp_path / name).write_bytes(b"noise")
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        assert claim(tmp_path, "a" * 64) is None
    assert content(tmp_path) == {}
    assert (tmp_path / "superseded-unknown" / BEST).read_text() == "a" * 64
    assert "starting again" in caplog.text


def test_a_first_epoch_that_was_never_finished_leaves_nothing(tmp_path):
    for name in (UPCOMING, BEST, "notes.txt"):
        (tmp_path / name).write_text("x")
    assert claim(tmp_path, "a" * 64) is None
    assert list(content(tmp_path)) == ["notes.txt"]
    assert superseded(tmp_path) == []
