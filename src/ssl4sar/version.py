"""The version, apart from ``__init__``: a release must not change the digest of every rule."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
