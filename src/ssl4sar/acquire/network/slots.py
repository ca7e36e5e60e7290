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

from filelock import BaseFileLock

from ssl4sar.acquire.network.private_files import private_folder, read_private, write_private
from ssl4sar.core.lock import try_lock
from ssl4sar.core.progress import log

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
        self._folder = folder or locks_folder()
        self._stem = hashlib.sha256(account.encode()).hexdigest()[:16]
        self._count = count
        self._poll_s = poll_s

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for a free slot and hold it during the block.

        Raises:
            UserError: the folder of the locks is not this user's alone.
        """
        slot = self._acquire(private_folder(self._folder, LOCKS_VARIABLE))
        try:
            yield
        finally:
            slot.release()

    def note_busy(self) -> None:
        """Use one slot less than are held now, at least one, for ten minutes; called by a holder.

        Raises:
            UserError: the folder of the locks is not this user's alone, or cannot be written.
        """
        folder = private_folder(self._folder, LOCKS_VARIABLE)
        fewer = min(self._usable(folder), max(1, self._held(folder) - 1))
        write_private(self._busy_path(folder), str(fewer))

    def _acquire(self, folder: Path) -> BaseFileLock:
        start, is_reported = time.monotonic(), False
        while True:
            usable = self._usable(folder)
            taken = self._take(folder, usable)
            if taken is not None:
                return taken
            if not is_reported and time.monotonic() - start > _SILENT_WAIT_S:
                why = ", which are fewer while the service is busy" if usable < self._count else ""
                log(f"waiting: other jobs use all {usable} connections of the account{why}")
                is_reported = True
            time.sleep(self._poll_s * random.uniform(0.5, 1.5))

    def _take(self, folder: Path, usable: int) -> BaseFileLock | None:
        """Return a slot where others hold fewer than the usable."""
        for number in random.sample(range(self._count), self._count):
            slot = try_lock(self._slot_path(folder, number))
            if slot is None:
                continue
            if usable == self._count or self._held(folder) <= usable:
                return slot
            slot.release()
            return None
        return None

    def _held(self, folder: Path) -> int:
        """Count the slots that are held; who looks at the same time may count as a holder."""
        found = [try_lock(self._slot_path(folder, number)) for number in range(self._count)]
        for slot in found:
            if slot is not None:
                slot.release()
        return found.count(None)

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
