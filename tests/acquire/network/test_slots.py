from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from ssl4sar.acquire.network.private_files import private_folder
from ssl4sar.acquire.network.slots import Slots, locks_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def slots(folder: Path, count: int, account: str = "me") -> Slots:
    return Slots(account, count, folder=folder, poll_s=0.005)


def test_threads_share_the_slots(folder: Path) -> None:
    lock, active, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal active, most
        with slots(folder, 3).hold():
            with lock:
                active += 1
                most = max(most, active)
            time.sleep(0.01)
            with lock:
                active -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(40)))
    assert most == 3


def hold_all(stack: ExitStack, folder: Path, count: int) -> list[Slots]:
    """Hold slots of four until the stack is left."""
    held = [slots(folder, 4) for _ in range(count)]
    for each in held:
        stack.enter_context(each.hold())
    return held


def can_hold(folder: Path) -> bool:
    """Return whether one more slot of four is to be had at once."""
    one_more = slots(folder, 4)
    private = private_folder(folder, "X")
    taken = one_more._take(private, one_more._usable(private))
    if taken is not None:
        taken.release()
    return taken is not None


@pytest.mark.parametrize(("held", "usable"), [(4, 3), (3, 2), (2, 1), (1, 1)])
def test_a_busy_service_leaves_one_slot_less_than_are_held(
    folder: Path, held: int, usable: int
) -> None:
    with ExitStack() as stack:
        hold_all(stack, folder, held)[0].note_busy()
    for number in range(usable):
        with ExitStack() as stack:
            hold_all(stack, folder, number)
            assert can_hold(folder)
    with ExitStack() as stack:
        hold_all(stack, folder, usable)
        assert not can_hold(folder)


def test_the_slots_come_back_after_a_while(folder: Path) -> None:
    with ExitStack() as stack:
        hold_all(stack, folder, 1)[0].note_busy()
    (path,) = folder.glob("*.busy")
    assert path.stat().st_mode & 0o777 == 0o600
    for age_s, is_free in ((500.0, False), (601.0, True), (-100.0, True)):
        os.utime(path, (time.time() - age_s,) * 2)
        with slots(folder, 4).hold():
            assert can_hold(folder) is is_free


def test_the_folder_is_private(folder: Path) -> None:
    with slots(folder, 1, "a secret name").hold():
        assert folder.stat().st_mode & 0o777 == 0o700
        files = list(folder.iterdir())
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
        assert "secret" not in files[0].name


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL4SAR_LOCKS", "/somewhere")
    assert locks_folder() == Path("/somewhere")
    monkeypatch.delenv("SSL4SAR_LOCKS")
    assert locks_folder().name.startswith("ssl4sar-")
