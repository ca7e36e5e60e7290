"""What was fetched and what is missing, over all products of a run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.orbits.file import OrbitRecord
from ssl4sar.core.atomic import atomic_file, write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.wording import counted, size_text

SCHEMA: Final = "ssl4sar.scenes/1"
_COLUMNS: Final = ("name", "mission", "start", "provider", "status", "files", "bytes", "reason")
_NAMES_TOLD: Final = 3
#: Deletes the records of all missing products, from the folder of the workflow: of any number, also
#: of none, and nothing of what products themselves hold.
FORGET_MISSING: Final = (
    "find data/scenes -maxdepth 1 -name '*.json' "
    '-exec grep -q \'"status": "missing"\' {} \\; -delete'
)


@dataclass(frozen=True)
class FetchSummary:
    """All products of a run."""

    records: dict[str, FetchRecord]
    missing_orbits: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @classmethod
    def read(
        cls, paths: Iterable[Path], orbits: Iterable[Path] = (), left_out: Sequence[str] = ()
    ) -> FetchSummary:
        """Read the records.

        Args:
            paths: records of the products.
            orbits: records of the orbit files.
            left_out: products that the configuration leaves out.

        Raises:
            UserError: one is missing or damaged.
        """
        found = [OrbitRecord.read(path) for path in orbits]
        return cls(
            {str(path): FetchRecord.read(path) for path in paths},
            {orbit.name: orbit.missing for orbit in found if orbit.missing is not None},
            left_out,
        )

    @property
    def missing(self) -> dict[str, FetchRecord]:
        """Unavailable products, by the path of their record."""
        return {path: r for path, r in self.records.items() if r.status == "missing"}

    def __str__(self) -> str:
        """Return one line for a person."""
        fetched = [record for record in self.records.values() if record.status == "fetched"]
        size = size_text(sum(record.total_bytes for record in fetched))
        return f"{counted(len(fetched), 'product')}, {size}, verified; {len(self.missing)} missing"

    def write_table(self, table: Path) -> None:
        """Write all products as CSV, atomically."""
        with atomic_file(table) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(_COLUMNS)
            writer.writerows(self._rows())

    def write(self, summary: Path) -> None:
        """Write counts and missing products as JSON, atomically."""
        fetched = [record for record in self.records.values() if record.status == "fetched"]
        write_json(
            summary,
            {
                "schema": SCHEMA,
                "fetched": len(fetched),
                "bytes": sum(record.total_bytes for record in fetched),
                "missing": {
                    record.product["name"]: record.reason for record in self.missing.values()
                },
                "missing_orbits": dict(self.missing_orbits),
                "left_out": list(self.left_out),
                "products": [record.product["name"] for record in fetched],
            },
        )

    def require(self, max_missing: int, table: Path) -> None:
        """Refuse a run that misses too much.

        Args:
            max_missing: products that may be missing.
            table: list of all products, named in the error.

        Raises:
            UserError: more are missing; says how to try them again.
        """
        missing = self.missing
        if len(missing) <= max_missing:
            return
        names = [str(record.product["name"]) for record in missing.values()]
        more = " ..." if len(names) > _NAMES_TOLD else ""
        raise UserError(
            "scenes",
            f"{len(names)} of {counted(len(self.records), 'product')} are unavailable "
            f"({', '.join(names[:_NAMES_TOLD])}{more}), "
            f"more than acquisition.max_missing {max_missing}; {table} says why",
            f"to try again delete their records ({FORGET_MISSING}) and rerun; to continue without "
            "them raise acquisition.max_missing or name them in acquisition.leave_out",
        )

    def _rows(self) -> Iterable[Sequence[object]]:
        for record in self.records.values():
            product = record.product
            yield (
                product["name"],
                product["mission"],
                product["start"],
                product["provider"],
                record.status,
                len(record.files),
                record.total_bytes,
                record.reason or "",
            )
