"""At most so many connections per account, over all threads and processes of one machine.

Services count the connections of an account. A slot is a locked file: the kernel frees it when its
holder ends, however that comes. Jobs on other machines are unknown here; where the service says by
status 429 that it is busy, fewer slots are used for a while, so that jobs queue here and do not
keep asking.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssl4sar.acquire.network.private_files import (
    private_folder,
    read_private,
    release,
    try_hold,
    write_private,
)
from ssl4sar.core.progress import tell

#: Environment variable with the folder of the locks.
LOCKS_VARIABLE: Final = "SSL4SAR_LOCKS"
#: After so long a waiting job says what it waits for.
_SILENT_WAIT_S: Final = 30.0
#: So long after the service was busy fewer slots are used.
_BUSY_LASTS_S: Final = 600.0


class Slots:
    """The connections that an account may have at one time.

    Args:
        account: what the service counts by, e.g. host and user name.
        count: connections at one time.
        folder: of the locks; None means that of `SSL4SAR_LOCKS`, else ``/tmp/ssl4sar-UID``.
        poll_s: seconds between two looks for a free slot.

    Raises:
        ValueError: ``count`` is below 1.
    """

    def __init__(
        self, account: str, count: int, *, folder: Path | None = None, poll_s: float = 0.1
    ) -> None:
        if count < 1:
            raise ValueError("at least one connection is needed")
        self._folder = folder
        self._stem = hashlib.sha256(account.encode()).hexdigest()[:16]
        self._count = count
        self._poll_s = poll_s

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Wait for a free slot, hold it during the block, and yield its number.

        Raises:
            UserError: the folder of the locks is not this user's alone.
        """
        folder = private_folder(self._folder or locks_folder(), LOCKS_VARIABLE)
        number, descriptor = self._acquire(folder)
        try:
            yield number
        finally:
            release(descriptor)

    def note_busy(self) -> None:
        """Use one slot less than are held now, at least one, for ten minutes; called by a holder.

        Raises:
            UserError: the folder of the locks is not this user's alone, or cannot be written.
        """
        folder = private_folder(self._folder or locks_folder(), LOCKS_VARIABLE)
        fewer = min(self._usable(folder), max(1, self._held(folder) - 1))
        write_private(self._busy_path(folder), str(fewer))

    def _acquire(self, folder: Path) -> tuple[int, int]:
        start, is_told = time.monotonic(), False
        while True:
            usable = self._usable(folder)
            taken = self._take(folder, usable)
            if taken is not None:
                return taken
            if not is_told and time.monotonic() - start > _SILENT_WAIT_S:
                why = ", which are fewer while the service is busy" if usable < self._count else ""
                tell(f"waiting: other jobs use all {usable} connections of the account{why}")
                is_told = True
            time.sleep(self._poll_s * random.uniform(0.5, 1.5))

    def _take(self, folder: Path, usable: int) -> tuple[int, int] | None:
        """Return the number and descriptor of a slot where others hold fewer than the usable."""
        for number in random.sample(range(self._count), self._count):
            descriptor = try_hold(self._slot_path(folder, number))
            if descriptor is None:
                continue
            if usable == self._count or self._held(folder) <= usable:
                return number, descriptor
            release(descriptor)
            return None
        return None

    def _held(self, folder: Path) -> int:
        """Count the slots that are held; who looks at the same moment may count as a holder."""
        held = 0
        for number in range(self._count):
            descriptor = try_hold(self._slot_path(folder, number))
            if descriptor is None:
                held += 1
            else:
                release(descriptor)
        return held

    def _usable(self, folder: Path) -> int:
        path = self._busy_path(folder)
        try:
            age_s = time.time() - path.stat().st_mtime
            fewer = int(read_private(path) or self._count)
        except (OSError, ValueError):
            return self._count
        return max(1, min(fewer, self._count)) if 0 <= age_s < _BUSY_LASTS_S else self._count

    def _slot_path(self, folder: Path, number: int) -> Path:
        return folder / f"{self._stem}.{number}.slot"

    def _busy_path(self, folder: Path) -> Path:
        return folder / f"{self._stem}.busy"


def locks_folder() -> Path:
    """Return the folder of the locks; it must be local to the machine."""
    return Path(os.environ.get(LOCKS_VARIABLE) or f"/tmp/ssl4sar-{os.getuid()}")
