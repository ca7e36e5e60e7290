"""Draw docs/images/glaciers.png: the areas of config/glaciers.geojson.

python docs/images/glaciers.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ssl4sar.acquire.areas import read_glaciers
from ssl4sar.report.glacier_map import draw_areas

TARGET = Path(__file__).with_suffix(".png")
AREAS = TARGET.parents[2] / "config" / "glaciers.geojson"


def main() -> None:
    """Draw the map and reduce it to few colours, which is enough for lines."""
    draw_areas(TARGET, list(read_glaciers(AREAS).values()))
    with Image.open(TARGET) as picture:
        small = picture.convert("RGB").quantize(255, dither=Image.Dither.NONE)
    small.save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
