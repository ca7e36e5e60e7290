"""What surrounds the work of a rule's script: its log, its errors, its threads."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.errors import UserError

LOGGER: Final = logging.getLogger("ssl4sar")


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run a script's work with its log file and readable failures.

    The log file gets plain lines and, on failure, the full traceback. The terminal gets the same
    lines, or progress bars where it is a terminal, and one line on failure.

    Args:
        snakemake: the object that Snakemake hands to a script.

    Raises:
        SystemExit: with status 1 after any failure.
    """
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(log, mode="w", encoding="utf-8")]
    if not sys.stderr.isatty():
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(handlers[0])
    try:
        yield
    except UserError as error:
        handlers[0].stream.write(f"error: {error}\n")  # type: ignore[attr-defined]
        _tell(f"ssl4sar: error: {error}")
        raise SystemExit(1) from error
    except Exception as error:
        LOGGER.handlers = handlers[:1]
        LOGGER.exception("the job failed")
        _tell(
            f"ssl4sar: error: {snakemake.rule} failed with {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''} (traceback in {log})"
        )
        raise SystemExit(1) from error
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
