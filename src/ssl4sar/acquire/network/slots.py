"""At most so many connections per account, over all threads and processes of one machine.

Services count the connections of an account. A slot is a locked file: the kernel frees it when its
holder ends, however that comes. Jobs on other machines are unknown here; the service tells them
to wait by status 429.
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

from ssl4sar.acquire.network.private_files import private_folder, release, try_hold
from ssl4sar.core.progress import tell

#: Environment variable with the folder of the locks.
LOCKS_VARIABLE: Final = "SSL4SAR_LOCKS"
#: After so long a waiting job says what it waits for.
_SILENT_WAIT_S: Final = 30.0


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

    def _acquire(self, folder: Path) -> tuple[int, int]:
        numbers = list(range(self._count))
        start, is_told = time.monotonic(), False
        while True:
            random.shuffle(numbers)
            for number in numbers:
                descriptor = try_hold(folder / f"{self._stem}.{number}.slot")
                if descriptor is not None:
                    return number, descriptor
            if not is_told and time.monotonic() - start > _SILENT_WAIT_S:
                tell(f"waiting: other jobs use all {self._count} connections of the account")
                is_told = True
            time.sleep(self._poll_s * random.uniform(0.5, 1.5))


def locks_folder() -> Path:
    """Return the folder of the locks; it must be local to the machine."""
    return Path(os.environ.get(LOCKS_VARIABLE) or f"/tmp/ssl4sar-{os.getuid()}")
