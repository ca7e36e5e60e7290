"""Bounding boxes of the dynamic front: the CaFFe text files and their arithmetic.

A file holds the header ``x,y`` and four corners in pixels (x = column, y = row): left-upper,
left-lower, right-lower, right-upper, where "upper" has the LARGER row. Corners may be outside
the image. Source: CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ssl4sar.core.atomic import write_text
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, read_bounded

#: Official boxes are projected floats: two corners may differ in the last printed digit.
_SAME_PX: Final = 0.01
#: A header and four corners; real files have some 100.
_LONGEST_BYTES: Final = 100_000
_FIX: Final = "use the header x,y and the corners left-upper, left-lower, right-lower, right-upper"


@dataclass(frozen=True)
class BoundingBox:
    """Axis-parallel box in pixel coordinates; floats, possibly outside the image.

    Attributes:
        left_px: smaller column.
        right_px: larger column.
        lower_px: smaller row.
        upper_px: larger row.
    """

    left_px: float
    right_px: float
    lower_px: float
    upper_px: float

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a box file.

        Raises:
            UserError: missing, malformed, not finite, or corners in another order.
        """
        path = Path(path)
        try:
            data = read_bounded(path, _LONGEST_BYTES)
        except FileNotFoundError as error:
            raise UserError(
                path, "the bounding box is missing", "add the box file of this scene"
            ) from error
        except OSError as error:
            raise UserError(path, f"the box cannot be read ({error.strerror})", _FIX) from error
        except ForeignTextError as error:
            raise UserError(path, str(error), _FIX) from error
        return cls.parse(data, path)

    @classmethod
    def parse(cls, data: bytes, source: str | Path) -> Self:
        """Parse the content of a box file.

        Edges that two corners give up to 0.01 px apart count as equal; the earlier corner counts.

        Raises:
            UserError: malformed, not finite, or corners in another order.
        """
        try:
            lines = data.decode("ascii").split()
        except UnicodeDecodeError as error:
            raise UserError(source, f"the box cannot be read ({error})", _FIX) from error
        if len(lines) != 5 or lines[0] != "x,y":
            raise UserError(source, "the box is not a header and four corners", _FIX)
        try:
            corners = [tuple(float(part) for part in line.split(",")) for line in lines[1:]]
        except ValueError as error:
            raise UserError(source, f"a corner is not a pair of numbers ({error})", _FIX) from error
        if any(len(c) != 2 or not all(map(math.isfinite, c)) for c in corners):
            raise UserError(source, "a corner is not a pair of finite numbers", _FIX)
        (left, upper), (left_2, lower), (right, lower_2), (right_2, upper_2) = corners
        pairs = ((left, left_2), (lower, lower_2), (right, right_2), (upper, upper_2))
        # Rounded, so that printed numbers 0.01 apart are not refused for their binary form.
        if any(round(abs(a - b), 9) > _SAME_PX for a, b in pairs):
            raise UserError(source, "the corners do not form an axis-parallel box", _FIX)
        if left >= right or lower >= upper:
            raise UserError(source, "the box has no area or its corners are swapped", _FIX)
        return cls(left, right, lower, upper)

    def write(self, path: str | Path) -> None:
        """Write the box in the official layout, atomically."""
        corners = (
            (self.left_px, self.upper_px),
            (self.left_px, self.lower_px),
            (self.right_px, self.lower_px),
            (self.right_px, self.upper_px),
        )
        write_text(path, "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in corners))

    def window(self, height_px: int, width_px: int, source: str | Path) -> tuple[slice, slice]:
        """Return the rows and columns of an image within the box.

        Corners are rounded half to even and clamped as in the benchmark's evaluation: a right
        edge beyond the width W becomes W-1, an upper edge beyond the height H becomes H-1, while
        edges equal to W or H stay.

        Args:
            height_px: image height H.
            width_px: image width W.
            source: file named in the error.

        Returns:
            Row and column slices within the image.

        Raises:
            UserError: the box is wholly outside the image.
        """
        left, right = max(round(self.left_px), 0), round(self.right_px)
        lower, upper = max(round(self.lower_px), 0), round(self.upper_px)
        if left >= width_px or lower >= height_px or right <= 0 or upper <= 0:
            raise UserError(
                source,
                f"the box is outside the {height_px}x{width_px} px image",
                "check that box and image belong together",
            )
        right = width_px - 1 if right > width_px else right
        upper = height_px - 1 if upper > height_px else upper
        return slice(lower, upper), slice(left, right)

    def scaled(self, row_factor: float, column_factor: float) -> Self:
        """Return the box on a grid whose pixels are 1/factor times as large.

        Args:
            row_factor: new height / old height.
            column_factor: new width / old width.
        """
        return type(self)(
            self.left_px * column_factor,
            self.right_px * column_factor,
            self.lower_px * row_factor,
            self.upper_px * row_factor,
        )
