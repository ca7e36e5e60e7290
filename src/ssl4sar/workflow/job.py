"""What surrounds the work of a rule's script: its log, its errors, its record of provenance."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.fetch_record import RAW_SUFFIX
from ssl4sar.core.atomic import NO_SPACE, full_disk
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines
from ssl4sar.core.progress import plain_lines
from ssl4sar.provenance.recorder import JobFacts, Recorder

LOGGER: Final = logging.getLogger("ssl4sar")
#: What torch says of a failed write where it hides the error of the operating system.
_WRITE_FAILED: Final = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EDQUOT),
    "PytorchStreamWriter failed writing file",
    ". unexpected pos ",
)


class _LogFile(logging.FileHandler):
    """A log that may be on a full disk: it never hides the error that it should report."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose the line; the terminal has it too."""

    def write_line(self, line: str) -> None:
        """Write a line as it is."""
        if self.stream is not None:
            with suppress(OSError):
                self.stream.write(line + "\n")
                self.flush()

    def close(self) -> None:
        """Close the file, also where its last lines cannot be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def job(snakemake: Any) -> Iterator[Recorder]:
    """Run a script's work with its log file, readable failures and a record of provenance.

    Inputs that are not what their makers wrote are refused before the work begins; the record is
    the last thing written, so a job that has one is complete.

    The log file gets plain lines and, on failure, the full traceback. Standard error gets the same
    lines, and one line on failure; never bars, since several jobs share one terminal.

    Yields:
        The record in the making, for jobs that know hashes of what they write.

    Raises:
        SystemExit: with status 1 after any failure.
    """
    log = Path(str(snakemake.log[0]))
    with ExitStack() as surroundings:
        try:
            file = surroundings.enter_context(_logging_to(log))
        except OSError as error:
            _tell(f"ssl4sar: error: {_in_one_line(error, snakemake, log)}")
            raise SystemExit(1) from error
        surroundings.enter_context(plain_lines())
        try:
            recorder = Recorder.begin(_facts(snakemake))
            yield recorder
            recorder.finish()
        except UserError as error:
            file.write_line(f"error: {error}")
            _tell(f"ssl4sar: error: {error}")
            raise SystemExit(1) from error
        except Exception as error:
            LOGGER.handlers = [file]
            LOGGER.exception("the job failed")
            _tell(f"ssl4sar: error: {_in_one_line(error, snakemake, log)}")
            raise SystemExit(1) from error


def _facts(snakemake: Any) -> JobFacts:
    # Snakemake names it through the folder of the rules: rules/../scripts.
    scripts = Path(os.path.normpath(snakemake.scriptdir))
    script = _script(snakemake, scripts)
    record = Path(snakemake.output.provenance)
    outputs = [Path(str(path)) for path in snakemake.output]
    parameters = dict(snakemake.params.items())
    return JobFacts(
        rule=script.stem,
        wildcards=dict(snakemake.wildcards.items()),
        script=script,
        project=scripts.parent.parent,
        workdir=Path.cwd(),
        # Products are gigabytes, and proven by their manifests, which are inputs too; what reads
        # them compares both, and a damaged one does not stop those beside it.
        inputs=[Path(path) for path in map(str, snakemake.input) if not path.endswith(RAW_SUFFIX)],
        outputs=[path for path in outputs if path != record],
        temporary=frozenset(Path(path) for path in parameters.get("temporary", ())),
        record=record,
        # Not an output of the rule, since Snakemake would delete it before a rerun, yet of the job.
        cached=[Path(path) for path in parameters.get("cached", ())],
        parameters=parameters,
        config=snakemake.config,
        threads=snakemake.threads,
        # Names with an underscore are Snakemake's own; paths of scratch folders say nothing.
        resources={
            name: value
            for name, value in snakemake.resources.items()
            if isinstance(value, int) and not name.startswith("_")
        },
    )


def _script(snakemake: Any, scripts: Path) -> Path:
    """Return the script that runs; it bears the own name of its rule.

    Another workflow that uses this one as a module may call the rule otherwise.
    """
    # Snakemake shows a script its own path, links resolved.
    running = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
    own = running.parent == Path(os.path.realpath(scripts))
    return scripts / (running.name if own else f"{snakemake.rule}.py")


@contextmanager
def _logging_to(log: Path) -> Iterator[_LogFile]:
    """Send the package's lines to the log and to standard error, warnings to the log alone."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = _LogFile(log, mode="w", encoding="utf-8")
    handlers: list[logging.Handler] = [file, logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        LOGGER.addHandler(handler)
    level, propagate = LOGGER.level, LOGGER.propagate
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    logging.captureWarnings(True)
    warnings = logging.getLogger("py.warnings")
    warnings.addHandler(file)
    try:
        yield file
    finally:
        logging.captureWarnings(False)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate
        warnings.removeHandler(file)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


def _in_one_line(error: Exception, snakemake: Any, log: Path) -> str:
    reasons = list(_chain(error))
    failed = [reason for reason in reasons if isinstance(reason, OSError)]
    full = next((reason for reason in failed if reason.errno in NO_SPACE), None)
    says_so = any(text in str(reason) for reason in reasons for text in _WRITE_FAILED)
    if full is not None or (says_so and not failed):
        named = None if full is None else full.filename
        return str(full_disk(str(named) if named else _outputs_folder(snakemake, log)))
    first = str(error).splitlines()[0] if str(error) else ""
    return f"{snakemake.rule} failed with {type(error).__name__}: {first} (traceback in {log})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _outputs_folder(snakemake: Any, log: Path) -> Path:
    outputs = list(snakemake.output)
    return Path(str(outputs[0])).parent if outputs else log.parent


def _tell(line: str) -> None:
    print_lines([line], sys.stderr)
