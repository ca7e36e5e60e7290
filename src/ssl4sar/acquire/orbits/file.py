"""Reading and fetching orbit files of Sentinel-1 (EOF: Earth Explorer format, XML).

Source of the form: "Sentinels POD Service File Format Specification" (GMES-GSEG-EOPG-FS-10-0075):
a header with mission, type and validity, then ``List_of_OSVs`` with Earth-fixed state vectors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.orbits.choice import OrbitName
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import MissingProductError
from ssl4sar.acquire.safe.verification import known_checksums
from ssl4sar.core.cached_file import cached_file, matching_sha256
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_xml, read_bounded
from ssl4sar.core.progress import log
from ssl4sar.core.record import Record
from ssl4sar.core.wording import printable

#: Precise files have four megabytes.
_LONGEST_BYTES: Final = 1 << 26
_FIX: Final = "remove it and fetch it again"
#: State vectors come every ten seconds; one may be missing at an end.
_SPACING: Final = timedelta(seconds=20)
_NOT_ALPHANUMERIC: Final = re.compile(r"[^A-Z0-9]")
_FRAME: Final = "EARTH_FIXED"
T = TypeVar("T")


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


@dataclass(frozen=True, eq=False)
class StateVectors:
    """The state vectors of an orbit file, ECEF.

    Attributes:
        platform: e.g. S1A.
        file_type: AUX_POEORB or AUX_RESORB.
        times: (N,) UTC, datetime64[ns], ascending.
        positions_m: (3, N) metres.
        velocities_m_s: (3, N) metres per second, in the rotating frame.
    """

    platform: str
    file_type: str
    times: NDArray[np.datetime64]
    positions_m: NDArray[np.float64]
    velocities_m_s: NDArray[np.float64]


class OrbitRecord(Record):
    """An orbit file that is there, or why it is missing.

    Attributes:
        name: its name, without ``.EOF``.
        bytes: size of the file.
        sha256: hash of its content.
        platform: as the other facts, those of :class:`OrbitFacts`, times in ISO 8601.
        missing: why it is unavailable; None of a file that is there.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.orbit/1"
    NAME: ClassVar[str] = "record of an orbit"
    FIX: ClassVar[str] = "delete it and rerun"

    name: str
    bytes: int | None = None
    sha256: str | None = None
    platform: str | None = None
    file_type: str | None = None
    start: str | None = None
    stop: str | None = None
    vectors: int | None = None
    first_vector: str | None = None
    last_vector: str | None = None
    missing: str | None = None

    def values(self, path: Path) -> dict[str, Any]:
        """Return its fields as JSON values, without those that it does not have."""
        return self.model_dump(mode="json", exclude_none=True)


def read_orbit(path: str | Path) -> OrbitFacts:
    """Read an orbit file.

    Raises:
        UserError: the file is missing, not an orbit file, ends too early, holds another number of
            state vectors than it announces, or such that are out of order.
    """
    return _read(path, _facts)


def read_state_vectors(path: str | Path) -> StateVectors:
    """Read the state vectors of an orbit file.

    Args:
        path: EOF file.

    Raises:
        UserError: as :func:`read_orbit`; or a position or velocity is not a number, or the vectors
            are not in the frame of the Earth.
    """
    return _read(path, _state_vectors)


def _read(path: str | Path, of_root: Callable[[Element], T]) -> T:
    try:
        return of_root(parse_xml(read_bounded(path, _LONGEST_BYTES)))
    except FileNotFoundError as error:
        raise UserError(path, "the orbit file does not exist", "fetch it first") from error
    except (ValueError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(path, f"this is not a valid orbit file ({reason})", _FIX) from error


def _facts(root: Element) -> OrbitFacts:
    listed = root.find(".//{*}List_of_OSVs")
    if listed is None:
        raise ValueError("there is no list of state vectors")
    vectors = [_parts(vector) for vector in listed.iterfind("{*}OSV")]
    announced = listed.get("count", "").strip()
    times = [_time(vector["UTC"]) for vector in vectors]
    start, stop = (_time(_text(root, f"Validity_{end}")) for end in ("Start", "Stop"))
    if not announced.isdigit():
        raise ValueError("there is no list of state vectors")
    if int(announced) != len(times) or len(times) < 2:
        raise ValueError(f"{announced} state vectors announced, {len(times)} there")
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError("its state vectors are out of order")
    if max(later - earlier for earlier, later in pairwise(times)) > _SPACING:
        raise ValueError("there is a gap between its state vectors")
    if times[0] > start + _SPACING or times[-1] < stop - _SPACING:
        raise ValueError("its state vectors do not cover its validity")
    platform = _platform(_text(root, "Mission"))
    file_type = _text(root, "File_Type")
    return OrbitFacts(platform, file_type, start, stop, len(times), times[0], times[-1])


def _state_vectors(root: Element) -> StateVectors:
    facts, frame = _facts(root), _text(root, "Ref_Frame")
    if frame != _FRAME:
        raise ValueError(f"its frame is {printable(frame, 40)}, not {_FRAME}")
    vectors = [_parts(vector) for vector in root.iterfind(".//{*}List_of_OSVs/{*}OSV")]
    columns = {
        name: np.array([float(vector[name]) for vector in vectors])
        for name in ("X", "Y", "Z", "VX", "VY", "VZ")
    }
    if not np.isfinite([*columns.values()]).all():
        raise ValueError("a position or velocity is not a number")
    velocities = np.stack([columns[f"V{axis}"] for axis in "XYZ"])
    times = [np.datetime64(_time(vector["UTC"]).replace(tzinfo=None), "ns") for vector in vectors]
    positions = np.stack([columns[axis] for axis in "XYZ"])
    return StateVectors(facts.platform, facts.file_type, np.array(times), positions, velocities)


def _text(root: Element, name: str) -> str:
    # Some files declare a namespace, others do not.
    text = root.findtext(f".//{{*}}{name}")
    if text is None:
        raise KeyError(name)
    return text.strip()


def _parts(element: Element) -> dict[str, str]:
    return {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in element}


def _platform(mission: str) -> str:
    """Return S1A of Sentinel-1A, however it is written."""
    return _NOT_ALPHANUMERIC.sub("", mission.upper()).replace("SENTINEL", "S", 1)


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
        ValueError: the name is not that of an orbit file.
    """
    named, facts = OrbitName.parse(name), read_orbit(path)
    if (facts.platform, facts.file_type) != (named.platform, f"AUX_{named.kind}"):
        raise UserError(
            path,
            f"it holds {facts.file_type} of {facts.platform}, its name says AUX_{named.kind} of "
            f"{named.platform}",
            _FIX,
        )
    off = max(abs(facts.start - named.start), abs(facts.stop - named.stop))
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
) -> OrbitRecord:
    """Fetch and check an orbit file; a good one that is there is reused.

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
            checksum, and yet not an orbit that can be used.
    """
    target = Path(target)
    listed = known_checksums(orbit.checksums)

    def check(path: Path) -> OrbitFacts:
        try:
            return check_orbit(path, orbit.name)
        except UserError as error:
            if listed and matching_sha256(path, listed):
                # The same bytes would come again, however often one asks.
                raise MissingProductError(
                    orbit.name,
                    f"it is as the catalogue lists it, but not a usable orbit: {error.problem}",
                    "report it to the service's help desk",
                ) from error
            raise UserError(orbit.name, error.problem, "rerun to fetch it again") from error

    got = cached_file(target, orbit.name, lambda path: fetch_file(orbit, path), check, listed)
    facts = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(got.facts).items()
    }
    written = OrbitRecord(name=orbit.name, bytes=got.bytes, sha256=got.sha256, **facts)
    written.write(target.with_suffix(".json") if record is None else record)
    return written


def write_missing_orbit(orbit: Product, error: MissingProductError, record: str | Path) -> None:
    """Record that an orbit file is unavailable; its scenes have the orbits of their annotation."""
    log(f"{orbit.name}: missing: {error.problem}")
    OrbitRecord(name=orbit.name, missing=f"{error.problem}; {error.fix}").write(record)
