"""Which training scenes are held out for validation.

Source: the split published with CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022):
scikit-learn's shuffled split of the alphabetical list of training images, 10 %, seed 1. It equals
the first ceil(fraction * n) entries of a permutation by NumPy's legacy generator, so that
scikit-learn is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ssl4sar.core.errors import UserError


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
