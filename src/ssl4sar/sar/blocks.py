"""Work on an image in blocks of rows: it stays in memory as a whole only where it must."""

from __future__ import annotations

from collections.abc import Callable


def in_blocks(
    make: Callable[[slice], None], rows: int, rows_at_once: int, workers: int = 1
) -> None:
    """Call a function with slices that cover some rows, several at a time in threads.

    Args:
        make: writes its rows into arrays of its own; numpy releases the lock of the interpreter.
        rows: how many there are.
        rows_at_once: rows of a block.
        workers: blocks at the same time.
    """
    # Heavy, and needed by few: the rest of the package works without it.
    from dask.base import compute
    from dask.delayed import delayed

    blocks = [
        slice(start, min(start + rows_at_once, rows)) for start in range(0, rows, rows_at_once)
    ]
    compute(  # type: ignore[no-untyped-call]
        *(delayed(make, pure=False)(block) for block in blocks),
        scheduler="threads" if workers > 1 else "synchronous",
        num_workers=workers,
    )
