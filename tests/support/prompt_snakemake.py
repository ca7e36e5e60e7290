"""Snakemake that asks a cluster for its jobs once a second, and is otherwise the shipped one.

The plugin for SLURM waits ten seconds longer after each question, for the sake of its scheduler.
"""

from __future__ import annotations

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(_: RemoteExecutor) -> None:
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = _sleep
    main()
