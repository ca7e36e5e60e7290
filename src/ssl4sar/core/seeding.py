"""Random generators that depend on what is drawn, not on when.

Every random draw of the project comes from a generator keyed by (seed, purpose, indices), so a
sample is the same whichever worker draws it and whether or not the run was interrupted.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *keys: int | str) -> int:
    """Derive a 63-bit seed from a run seed and any number of keys.

    Args:
        seed: seed of the run.
        *keys: purpose and indices, e.g. ``"crop", epoch, index``.

    Returns:
        Integer in [0, 2**63), stable over platforms and versions.
    """
    text = "\x1f".join([str(int(seed)), *(f"{type(key).__name__}:{key}" for key in keys)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, *keys: int | str) -> np.random.Generator:
    """Return the NumPy generator of (seed, keys); see :func:`derive_seed`."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *keys)))
