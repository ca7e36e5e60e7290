"""Numbers in lines for people."""

from __future__ import annotations


def size_text(size_bytes: int) -> str:
    """Return a size for people: powers of 1000, as disks and quotas are sold.

    Args:
        size_bytes: size, from 0.
    """
    value = float(size_bytes)
    units = ["TB", "GB", "MB", "kB", "B"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop()
    return f"{value:.3g} {units[-1]}" if value < 999.5 else f"{value:,.0f} {units[-1]}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
