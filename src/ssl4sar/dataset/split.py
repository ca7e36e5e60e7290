"""Which scenes are for training, for validation and for the test.

Source of the validation: the split published with CaFFe (Gourmelon et al. 2022,
doi:10.5194/essd-14-4287-2022): scikit-learn's shuffled split of the alphabetical list of training
images, 10 %, seed 1. It equals the first ceil(fraction * n) entries of a permutation by NumPy's
legacy generator, so that scikit-learn is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ssl4sar.core.caffe_layout import Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.scene_name import parsed


def validation_names(train_names: Sequence[str], fraction: float, seed: int) -> list[str]:
    """Choose the validation scenes.

    Args:
        train_names: all scenes of the training split, any order, without duplicates.
        fraction: share to hold out, in (0, 1); the count is rounded up.
        seed: seed of the permutation, 0 to 2**32 - 1; 1 is the official one.

    Returns:
        Sorted names; 56 of the official 559 with fraction 0.1 and seed 1.

    Raises:
        UserError: no scene would be left to train on.
    """
    ordered = sorted(train_names)
    count = math.ceil(fraction * len(ordered))
    if count >= len(ordered):
        raise UserError(
            "caffe.validation_fraction",
            f"{fraction} of {len(ordered)} training scenes leaves none to train on",
            "lower the fraction or add training scenes",
        )
    # The legacy generator is frozen by NumPy, which keeps the published split reproducible.
    permutation = np.random.RandomState(seed).permutation(len(ordered))
    return sorted(ordered[index] for index in permutation[:count])


def split_by_glacier(
    scenes: Mapping[Split, Sequence[str]], test_glaciers: Sequence[str]
) -> dict[Split, list[str]]:
    """Split scenes by glacier: all images of some glaciers are for the test, all others train.

    Args:
        scenes: scene names by the split whose folder they are in; one that cannot be parsed is of
            no glacier.
        test_glaciers: glaciers of the test.

    Returns:
        Sorted names by their new split.

    Raises:
        UserError: no scene shows one of the glaciers, or none is left to train on.
    """
    found = {name: parsed(name) for names in scenes.values() for name in names}
    glacier_of = {name: "" if scene is None else scene.glacier for name, scene in found.items()}
    shown = sorted(filter(None, set(glacier_of.values())))
    unknown = [glacier for glacier in test_glaciers if glacier not in shown]
    if unknown:
        raise UserError(
            "caffe.test_glaciers",
            f"no image shows {', '.join(unknown)}",
            f"name some of the glaciers of the tree: {', '.join(shown)}",
        )
    if not set(shown) - set(test_glaciers):
        raise UserError(
            "caffe.test_glaciers",
            f"all glaciers of the tree are for the test ({', '.join(shown)}): none is left to "
            "train on",
            "leave one out",
        )
    return {
        "train": sorted(name for name in found if glacier_of[name] not in test_glaciers),
        "test": sorted(name for name in found if glacier_of[name] in test_glaciers),
    }
