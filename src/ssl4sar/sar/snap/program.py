"""Running programs of SNAP: cut off from the network, for a limited time, never left behind.

``gpt`` is a script that starts Java. Both run in a group of processes of their own, which is killed
as a whole when the time is over or this process is asked to end. Only ``kill -9`` of this process
leaves them running; they then write into a scratch folder that nobody reads.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ssl4sar.core.wording import printable

#: Nothing listens at the port "discard": what these programs would fetch fails at once.
_NOWHERE: Final = ("127.0.0.1", 9)
_PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
_LONGEST_CHARS: Final = 300
_KILLED: Final = (-signal.SIGKILL, 128 + signal.SIGKILL)
_SAYS_ERROR: Final = re.compile(r"Error|Exception")


class TimeOverError(Exception):
    """A program ran longer than it may."""


def run_program(command: Sequence[str], home: Path, log: Path, deadline_s: float) -> int:
    """Run a program to its end and return its exit status.

    Args:
        command: program and arguments.
        home: its home folder, with SNAP's settings and auxiliary data.
        log: file that gets all it says.
        deadline_s: when it is killed, by ``time.monotonic``.

    Raises:
        TimeOverError: it was killed.
        OSError: it cannot be started.
    """
    with log.open("wb") as said, _ended_by_signals():
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=_environment(home),
            start_new_session=True,
        )
        try:
            return process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise TimeOverError(command[0]) from error
        finally:
            # What it started may outlive it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def what_it_said(log: Path, status: int) -> str:
    """Return the line of a log that says why a program failed."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # SNAP says it first, with all that led there below; Python says it last.
    first = next((line for line in lines if line.startswith("Error:")), None)
    last = next((line for line in reversed(lines) if _SAYS_ERROR.search(line)), None)
    line = first or last or (lines[-1] if lines else f"exit status {status}, without output")
    killed = " (it was killed, perhaps out of memory)" if status in _KILLED else ""
    return printable(line.removeprefix("Error:").strip(), _LONGEST_CHARS) + killed


def _environment(home: Path) -> dict[str, str]:
    host, port = _NOWHERE
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    for name in _PROXIES:
        environment[name] = environment[name.upper()] = f"http://{host}:{port}"
    # Java knows neither HOME nor the proxies of the environment.
    options: dict[str, Any] = {"user.home": home, "snap.userdir": home / ".snap"}
    for scheme in ("http", "https", "ftp"):
        options |= {f"{scheme}.proxyHost": host, f"{scheme}.proxyPort": port}
        options[f"{scheme}.nonProxyHosts"] = ""
    java = [f"-D{name}={value}" for name, value in options.items()]
    given = environment.get("JAVA_TOOL_OPTIONS", "")
    return {**environment, "HOME": str(home), "JAVA_TOOL_OPTIONS": " ".join([given, *java]).strip()}


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within the block, signals that would end this process at once raise instead."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)
