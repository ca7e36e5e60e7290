"""Reading and fetching orbit files of Sentinel-1 (EOF: Earth Explorer format, XML).

Source of the form: "Sentinels POD Service File Format Specification" (GMES-GSEG-EOPG-FS-10-0075):
a header with mission, type and validity, then ``List_of_OSVs`` with Earth-fixed state vectors.
"""

from __future__ import annotations

import math
import re
import xml.parsers.expat as expat
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from ssl4sar.acquire.orbits.choice import OrbitName
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import MissingProductError
from ssl4sar.acquire.safe.verification import known_checksums
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import file_digests, sha256_file
from ssl4sar.core.progress import tell

ORBIT_SCHEMA: Final = "ssl4sar.orbit/1"
#: Precise files have four megabytes.
_LONGEST_BYTES: Final = 1 << 26
_FIX: Final = "remove it and fetch it again"
#: State vectors come every ten seconds; one may be missing at an end.
_SPACING: Final = timedelta(seconds=20)
#: Sentinel-1 flies 693 km above the equator, 7071 km from the Earth's centre.
_RADII_M: Final = (6.95e6, 7.2e6)
_TEXTS: Final = frozenset({"Mission", "File_Type", "Validity_Start", "Validity_Stop"})
_VECTOR: Final = frozenset({"UTC", "X", "Y", "Z"})
_NOT_ALPHANUMERIC: Final = re.compile(r"[^A-Z0-9]")


@dataclass(frozen=True)
class OrbitFacts:
    """What an orbit file holds.

    Attributes:
        platform: e.g. S1A.
        file_type: AUX_POEORB or AUX_RESORB.
        start: begin of its validity, UTC.
        stop: end of its validity, UTC.
        vectors: number of state vectors.
        first_vector: time of the first one.
        last_vector: time of the last one.
    """

    platform: str
    file_type: str
    start: datetime
    stop: datetime
    vectors: int
    first_vector: datetime
    last_vector: datetime


@dataclass
class _Reader:
    """Gathers texts and state vectors while the parser walks through a file."""

    texts: dict[str, str] = field(default_factory=dict)
    announced: str | None = None
    times: list[datetime] = field(default_factory=list)
    radii_m: list[float] = field(default_factory=list)
    _vector: dict[str, str] | None = None
    _text: list[str] = field(default_factory=list)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._text.clear()
        if name == "List_of_OSVs":
            self.announced = attributes.get("count")
        elif name == "OSV":
            self._vector = {}

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        if self._vector is not None and name in _VECTOR:
            self._vector[name] = text
        elif self._vector is None and name in _TEXTS:
            self.texts.setdefault(name, text)
        if name == "OSV" and self._vector is not None:
            self.times.append(_time(self._vector["UTC"]))
            self.radii_m.append(math.hypot(*(float(self._vector[axis]) for axis in "XYZ")))
            self._vector = None


def read_orbit(path: str | Path) -> OrbitFacts:
    """Read an orbit file.

    Args:
        path: EOF file.

    Raises:
        UserError: the file is missing, no orbit file, ends too early, holds another number of state
            vectors than it announces, or such that are out of order or off the orbit.
    """
    try:
        content = _content(Path(path))
        return _facts(_parsed(content))
    except FileNotFoundError as error:
        raise UserError(path, "the orbit file is not there", "fetch it first") from error
    except expat.ExpatError as error:
        raise UserError(path, f"this is no whole XML file ({error})", _FIX) from error
    except (ValueError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(path, f"this is no orbit file ({reason})", _FIX) from error


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _LONGEST_BYTES:
        raise ValueError(f"{size / 1e6:.0f} MB are too many")
    return path.read_bytes()


def _parsed(content: bytes) -> _Reader:
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    # Entities could swell without bound, and an orbit file needs none.
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.Parse(content, True)
    return reader


def _refuse_doctype(*_: Any) -> None:
    raise ValueError("it declares a document type")


def _facts(reader: _Reader) -> OrbitFacts:
    start, stop = (_time(reader.texts[f"Validity_{end}"]) for end in ("Start", "Stop"))
    times, count = reader.times, len(reader.times)
    if reader.announced is None or not reader.announced.strip().isdigit():
        raise ValueError("there is no list of state vectors")
    if int(reader.announced) != count or count < 2:
        raise ValueError(f"{reader.announced.strip()} state vectors announced, {count} there")
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError("its state vectors are out of order")
    if max(later - earlier for earlier, later in pairwise(times)) > _SPACING:
        raise ValueError("there is a gap between its state vectors")
    if times[0] > start + _SPACING or times[-1] < stop - _SPACING:
        raise ValueError("its state vectors do not cover its validity")
    if not all(_RADII_M[0] < radius < _RADII_M[1] for radius in reader.radii_m):
        raise ValueError("a state vector is not on the orbit of Sentinel-1")
    return OrbitFacts(
        _platform(reader.texts["Mission"]),
        reader.texts["File_Type"],
        start,
        stop,
        count,
        times[0],
        times[-1],
    )


def _platform(mission: str) -> str:
    """Return S1A of Sentinel-1A, however it is written."""
    plain = _NOT_ALPHANUMERIC.sub("", mission.upper())
    return plain.replace("SENTINEL", "S", 1)


def _time(text: str) -> datetime:
    """Read a time such as UTC=2014-04-08T22:59:44.000000."""
    return datetime.fromisoformat(text.removeprefix("UTC=")).replace(tzinfo=UTC)


def check_orbit(path: str | Path, name: str) -> OrbitFacts:
    """Check that a file is the orbit file of a name.

    Args:
        path: EOF file.
        name: its name, with or without ``.EOF``.

    Returns:
        What it holds.

    Raises:
        UserError: as :func:`read_orbit`; or it is of another satellite, type or time.
        ValueError: this is no name of an orbit file.
    """
    told, facts = OrbitName.parse(name), read_orbit(path)
    if (facts.platform, facts.file_type) != (told.platform, f"AUX_{told.kind}"):
        raise UserError(
            path,
            f"it holds {facts.file_type} of {facts.platform}, its name says AUX_{told.kind} of "
            f"{told.platform}",
            _FIX,
        )
    off = max(abs(facts.start - told.start), abs(facts.stop - told.stop))
    if off > timedelta(seconds=1):
        raise UserError(
            path,
            f"it is valid from {facts.start:%Y-%m-%d %H:%M:%S} to {facts.stop:%Y-%m-%d %H:%M:%S}, "
            "its name says otherwise",
            _FIX,
        )
    return facts


def fetch_orbit(
    orbit: Product,
    target: str | Path,
    fetch_file: Callable[[Product, Path], Any],
    record: str | Path | None = None,
) -> dict[str, Any]:
    """Fetch and check an orbit file; a good one that is there is not fetched again.

    Args:
        orbit: the file as :func:`ssl4sar.acquire.orbits.choice.choose_orbits` returns it.
        target: file to write, ``NAME.EOF``; it is there only if it is good.
        fetch_file: fetches a product that is one file, as ``Cdse.fetch_file`` does.
        record: JSON file to write; by default ``NAME.json`` beside the target.

    Returns:
        The record.

    Raises:
        UserError: it cannot be fetched, or is not what it should be.
        MissingProductError: it will never be there; or it is what the catalogue lists, by its
            checksum, and yet no orbit that can be used.
    """
    target = Path(target)
    facts = _found(target, orbit)
    if facts is None:
        fetched = target.with_name(f"{orbit.name}.fetched.EOF")
        fetch_file(orbit, fetched)
        facts = _checked(fetched, orbit)
        fetched.replace(target)
    values = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(facts).items()
    }
    written = {
        "schema": ORBIT_SCHEMA,
        "name": orbit.name,
        "bytes": target.stat().st_size,
        "sha256": sha256_file(target),
        **values,
    }
    write_json(target.with_suffix(".json") if record is None else record, written)
    return written


def _checked(fetched: Path, orbit: Product) -> OrbitFacts:
    """Return what a file holds that was just fetched; a wrong one is removed."""
    try:
        return check_orbit(fetched, orbit.name)
    except UserError as error:
        is_as_listed = bool(known_checksums(orbit.checksums)) and _is_as_listed(fetched, orbit)
        fetched.unlink()
        if is_as_listed:
            # The same bytes would come again, however often one asks.
            raise MissingProductError(
                orbit.name,
                f"it is as the catalogue lists it, but no orbit that can be used: {error.problem}",
                "tell the service's help desk",
            ) from error
        raise UserError(orbit.name, error.problem, "rerun to fetch it again") from error


def _is_as_listed(path: Path, orbit: Product) -> bool:
    """Return whether a file has all checksums of the catalogue that can be computed here."""
    listed = known_checksums(orbit.checksums)
    digests = file_digests(path, {each.algorithm for each in listed})
    return all(digests[each.algorithm] == each.digits for each in listed)


def _found(target: Path, orbit: Product) -> OrbitFacts | None:
    """Return what a file holds that is there; None if there is none, or not what is listed."""
    if not target.is_file():
        return None
    if not _is_as_listed(target, orbit):
        tell(f"{orbit.name}: its content is not what the catalogue lists: fetching it anew")
        return None
    try:
        return check_orbit(target, orbit.name)
    except UserError:
        return None


def write_missing_orbit(orbit: Product, error: MissingProductError, record: str | Path) -> None:
    """Record that an orbit file cannot be had; scenes then have the orbits of their annotation."""
    tell(f"{orbit.name}: missing: {error.problem}")
    reason = f"{error.problem}; {error.fix}"
    write_json(record, {"schema": ORBIT_SCHEMA, "name": orbit.name, "missing": reason})


def missing_orbit(record: str | Path) -> tuple[str, str] | None:
    """Return name and reason of an orbit file that is missing, None of one that is there.

    Args:
        record: as :func:`fetch_orbit` or :func:`write_missing_orbit` wrote it.

    Raises:
        UserError: it is no such record.
    """
    try:
        values = read_json(record)
        name = values["name"]
        return (name, values["missing"]) if "missing" in values else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(record, "this is no record of an orbit", "delete it and rerun") from error
