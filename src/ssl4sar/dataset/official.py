"""Facts of the official benchmark, to say whether numbers may stand beside published ones.

Source: CaFFe (Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ssl4sar.core.caffe_layout import Split
from ssl4sar.core.scene_name import SceneName

TRAIN_COUNT: Final = 559
TEST_COUNT: Final = 122
#: :func:`names_sha256` of the official lists.
TRAIN_NAMES_SHA256: Final = "2311f720f6130828c73e8b07e38a8ea93dc906f3e7f2637d62579c2e7c0f37ee"
TEST_NAMES_SHA256: Final = "0bdf6c5e77b235d3c823cbecc10976d39c17dab580e083053829c3b64c141bce"
#: Height and width in pixels of the test scenes by (glacier, nominal pixel size in metres). The
#: size of the 17 m grid of Mapple is not published.
NATIVE_SIZES_PX: Final = {
    ("COL", 20): (702, 1492),
    ("COL", 7): (2107, 4476),
    ("Mapple", 20): (405, 382),
    ("Mapple", 7): (1215, 1146),
}


def names_sha256(names: Iterable[str]) -> str:
    """Return the SHA-256 of the sorted names, each followed by a newline."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


def is_official_train(names: Iterable[str]) -> bool:
    """Return whether these are exactly the 559 official training scenes."""
    return names_sha256(names) == TRAIN_NAMES_SHA256


def is_official_test(names: Iterable[str], sizes_px: Mapping[str, tuple[int, int]]) -> bool:
    """Return whether these are exactly the 122 official test scenes on their native grids.

    Returns:
        False also for a scene without a size, or with another one than the published grid;
        grids whose size is not published pass.
    """
    listed = list(names)
    if names_sha256(listed) != TEST_NAMES_SHA256:
        return False
    return all(name in sizes_px and _on_native_grid(name, sizes_px[name]) for name in listed)


def official_differences(
    scenes: Mapping[Split, Sequence[str]], sizes_px: Mapping[str, tuple[int, int]]
) -> dict[Split, str]:
    """Say in which splits a tree is not the official one, and how.

    Only hashes of the official lists are known here, so counts are named, not missing scenes.

    Returns:
        What differs by split; empty for the official tree.
    """
    differences: dict[Split, str] = {}
    if not is_official_train(scenes["train"]):
        differences["train"] = _counts(TRAIN_COUNT, len(scenes["train"]))
    if names_sha256(scenes["test"]) != TEST_NAMES_SHA256:
        differences["test"] = _counts(TEST_COUNT, len(scenes["test"]))
    elif not is_official_test(scenes["test"], sizes_px):
        name = next(
            n for n in scenes["test"] if n not in sizes_px or not _on_native_grid(n, sizes_px[n])
        )
        size = "x".join(map(str, sizes_px[name])) + " px" if name in sizes_px else "unreadable"
        differences["test"] = f"not all scenes have their published size ({name} is {size})"
    return differences


def _counts(expected: int, found: int) -> str:
    names = ", some with other names" if expected == found else ""
    return f"{expected} scenes are expected, {found} found{names}"


def _on_native_grid(name: str, size_px: tuple[int, int]) -> bool:
    scene = SceneName.parse(name)
    return NATIVE_SIZES_PX.get((scene.glacier, scene.resolution_m), size_px) == size_px
