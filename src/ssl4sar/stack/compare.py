"""Two geocoded images of one area, pixel by pixel: with another orbit or elevation model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ssl4sar.core.errors import UserError
from ssl4sar.sar.coding import LOWEST_DB, read_backscatter
from ssl4sar.stack.shift import measure_shift

_PERCENTILES: Final = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Comparison:
    """How a second image differs from a first one on the same grid.

    Attributes:
        first: file.
        second: file.
        quantities: backscatter coefficient of each.
        engines: what made each.
        compared_share: pixels that count, of all of the grid: in both, and above the lowest value
            of the code in both.
        only_first_share: pixels that only the first one has.
        only_second_share: pixels that only the second one has.
        lowest_share: pixels of both where one is at the lowest value, which stands for no power.
        bias_db: mean of second minus first; None where no pixel counts, as all below.
        rms_db: root of the mean square of the differences.
        percentiles_db: of the differences, by percent.
        shift_x_px: columns by which the second is shifted to the right; None where not measured.
        shift_y_px: rows by which it is shifted down.
        shift_windows: windows that were matched.
    """

    first: str
    second: str
    quantities: tuple[str, str]
    engines: tuple[str, str]
    compared_share: float
    only_first_share: float
    only_second_share: float
    lowest_share: float
    bias_db: float | None
    rms_db: float | None
    percentiles_db: dict[str, float]
    shift_x_px: float | None
    shift_y_px: float | None
    shift_windows: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"schema": "ssl4sar.comparison/1", **asdict(self)}

    def lines(self) -> list[str]:
        """Return what a person reads."""
        lines = [
            f" first: {self.first} ({self.quantities[0]}, {self.engines[0]})",
            f"second: {self.second} ({self.quantities[1]}, {self.engines[1]})",
            f"pixels: {self.compared_share:.1%} compared, {self.only_first_share:.2%} only in the "
            f"first, {self.only_second_share:.2%} only in the second, {self.lowest_share:.2%} "
            "without power in one",
        ]
        if self.bias_db is not None and self.rms_db is not None:
            levels = ", ".join(f"{p} %: {value:+.2f}" for p, value in self.percentiles_db.items())
            lines.append(f"second - first: bias {self.bias_db:+.3f} dB, RMS {self.rms_db:.3f} dB")
            lines.append(f"   percentiles (dB): {levels}")
        measured = (
            f"{self.shift_x_px:+.2f} px right, {self.shift_y_px:+.2f} px down"
            if self.shift_x_px is not None and self.shift_y_px is not None
            else "not measured"
        )
        return [*lines, f" shift: {measured} ({self.shift_windows} windows)"]


def compare_images(first: str | Path, second: str | Path) -> Comparison:
    """Return how two images of backscatter differ.

    Args:
        first: image as :func:`ssl4sar.sar.coding.write_backscatter` writes it.
        second: another one on the same grid.

    Raises:
        UserError: a file cannot be used, or the grids are not the same.
    """
    one, other = read_backscatter(first), read_backscatter(second)
    fault = other.grid.difference(one.grid, Path(first).name)
    if fault is not None:
        raise UserError(second, fault, "make both on one grid: sar process --grid FILE")
    in_one, in_other = np.isfinite(one.db), np.isfinite(other.db)
    both = in_one & in_other
    lowest = both & ((one.db <= LOWEST_DB) | (other.db <= LOWEST_DB))
    compared = both & ~lowest
    change_db = (other.db[compared] - one.db[compared]).astype(np.float64)
    # Pixels without power are at one place in both, and would hide a shift.
    first_db, second_db = (np.where(compared, each.db, np.nan) for each in (one, other))
    shift = measure_shift(first_db, second_db, compared)
    return Comparison(
        first=str(first),
        second=str(second),
        quantities=(_said(one.metadata, "quantity"), _said(other.metadata, "quantity")),
        engines=(
            _said(one.metadata, "engine", "builtin"),
            _said(other.metadata, "engine", "builtin"),
        ),
        compared_share=float(compared.mean()),
        only_first_share=float((in_one & ~in_other).mean()),
        only_second_share=float((in_other & ~in_one).mean()),
        lowest_share=float(lowest.mean()),
        bias_db=float(change_db.mean()) if change_db.size else None,
        rms_db=float(np.sqrt((change_db**2).mean())) if change_db.size else None,
        percentiles_db={
            str(percent): float(np.percentile(change_db, percent))
            for percent in (_PERCENTILES if change_db.size else ())
        },
        shift_x_px=shift.x_px,
        shift_y_px=shift.y_px,
        shift_windows=shift.windows,
    )


def _said(metadata: dict[str, Any], key: str, default: str = "unknown") -> str:
    return str(metadata.get(key, default))
