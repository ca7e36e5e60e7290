"""The JSON records that this package writes and reads again: one base for all of them.

A record is a frozen model with a name and a version, ``ssl4sar.NAME/NUMBER``, which is the first
value of its file. Whatever is wrong with a file is one line for the user, with what to do about it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json

RecordFault = Literal["missing", "damaged", "older", "newer", "edited"]


class RecordError(UserError):
    """A record that cannot be used."""

    def __init__(self, path: str | Path, fault: RecordFault, problem: str, fix: str) -> None:
        super().__init__(path, problem, fix)
        self.fault = fault

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the parts when the error crosses a process boundary."""
        return (type(self), (self.subject, self.fault, self.problem, self.fix))


class RecordPart(BaseModel):
    """A part of a record: frozen, and without values that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Record(RecordPart):
    """A record in a file of its own.

    A subclass names itself by class variables and lists its fields; a value that depends on the
    place of the file is converted in an override of :meth:`values` and :meth:`from_values`.

    Attributes:
        SCHEMA: name and version of the form, e.g. ``ssl4sar.tile/1``.
        NAME: what messages call it, e.g. ``record of an elevation tile``.
        FIX: what to do about a file that cannot be used, e.g. ``remove it and rerun``.
        KEY: key of the schema in the file.
    """

    SCHEMA: ClassVar[str]
    NAME: ClassVar[str] = "record"
    FIX: ClassVar[str] = "remove it and rerun"
    KEY: ClassVar[str] = "schema"

    def values(self, path: Path) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """Return a record of fields as JSON values.

        Args:
            values: without the schema.
            path: file that they come from.

        Raises:
            ValueError: a value is missing, unknown or wrong.
        """
        return cls.model_validate(values)

    def write(self, path: str | Path) -> None:
        """Write it as JSON, atomically; equal records give equal bytes."""
        write_json(path, {self.KEY: self.SCHEMA, **self.values(Path(path))})

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read it.

        Raises:
            RecordError: the file is missing, damaged, or of another schema.
        """
        try:
            content = read_json(path)
        except FileNotFoundError as error:
            raise RecordError(path, "missing", f"the {cls.NAME} is missing", cls.FIX) from error
        except (OSError, ValueError) as error:
            raise cls._damaged(path, error) from error
        if not isinstance(content, dict):
            raise cls._damaged(path, "it is not a JSON object")
        cls._require_schema(path, content.pop(cls.KEY, None))
        try:
            return cls.from_values(content, Path(path))
        except ValidationError as error:
            raise cls._damaged(path, first_fault(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise cls._damaged(path, error) from error

    @classmethod
    def read_if_usable(cls, path: str | Path) -> Self | None:
        """Read it; None where the file is missing or cannot be used."""
        try:
            return cls.read(path)
        except RecordError:
            return None

    @classmethod
    def _damaged(cls, path: str | Path, reason: object) -> RecordError:
        problem = f"this is not a valid {cls.NAME} ({reason})"
        return RecordError(path, "damaged", problem, cls.FIX)

    @classmethod
    def _require_schema(cls, path: str | Path, schema: object) -> None:
        if schema == cls.SCHEMA:
            return
        name, _, number = str(schema).partition("/")
        own_name, _, own_number = cls.SCHEMA.partition("/")
        if name != own_name or not (number.isascii() and number.isdigit()):
            raise cls._damaged(path, f"its {cls.KEY} is {schema!r}, not {cls.SCHEMA}")
        if int(number) > int(own_number):
            raise RecordError(
                path,
                "newer",
                f"the {cls.NAME} was written by a newer ssl4sar ({schema}; this one reads "
                f"{cls.SCHEMA})",
                "use that version, or a newer one",
            )
        raise RecordError(
            path,
            "older",
            f"the {cls.NAME} was written by an older ssl4sar ({schema}; this one reads "
            f"{cls.SCHEMA})",
            cls.FIX,
        )


def first_fault(error: ValidationError) -> str:
    """Return the first of the faults of a model in one line: its place and what is wrong."""
    faults = error.errors(include_url=False, include_context=False)
    place = ".".join(map(str, faults[0]["loc"]))
    problem = " ".join(faults[0]["msg"].removeprefix("Value error, ").split())
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{place}: {problem}{more}" if place else f"{problem}{more}"
