"""The processes that share a training, seen from one of them.

A team is joined before Lightning starts, so that decisions of its leader (where to resume, when to
stop) reach all members. Lightning then finds the group and uses it. It sees one device per
process; which one is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

import torch
import torch.distributed as dist

from ssl4sar.core.errors import UserError
from ssl4sar.models.device import resolve_device

T = TypeVar("T")
#: Longest time that one member may let the others wait, e.g. in its share of a validation.
PATIENCE: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Team:
    """A process among those that share a training.

    Attributes:
        rank: number of the process; 0 leads: it decides, writes and logs.
        size: number of processes.
        local_rank: number of the process on its node.
        local_size: processes per node.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Return whether this process decides, writes and logs."""
        return self.rank == 0

    def device(self, name: Literal["cpu", "cuda", "auto"]) -> torch.device:
        """Return the device of this process.

        Args:
            name: cpu, cuda, or auto for a GPU where there is one.

        Raises:
            UserError: there is no GPU, or there are fewer than processes on this node.
        """
        device = resolve_device(name)
        if device.type == "cpu" or self.size == 1:
            return device
        # A cluster may show each process its own GPU only, which is number 0 to each.
        visible = torch.cuda.device_count()
        if visible != 1 and visible < self.local_size:
            raise too_few_gpus(self.local_size, visible)
        return torch.device("cuda", self.local_rank % visible)

    def agree(self, decide: Callable[[], T]) -> T:
        """Return what the leader decides; the others wait for it."""
        decision = decide() if self.leads else None
        if self.size == 1:
            return decision  # type: ignore[return-value]
        box: list[Any] = [decision]
        device = torch.device("cuda") if dist.get_backend() == "nccl" else None
        dist.broadcast_object_list(box, src=0, device=device)
        value: T = box[0]
        return value


#: A process that trains by itself.
ALONE: Final = Team()


def too_few_gpus(wanted: int, visible: int) -> UserError:
    """Return the error of a node with fewer GPUs than processes."""
    return UserError(
        "compute.devices",
        f"{wanted} GPUs per node are asked for, {visible} are there",
        "lower it, or ask for more GPUs per node",
    )


@contextmanager
def joined(
    team: Team, address: str, port: int, device_name: Literal["cpu", "cuda", "auto"]
) -> Iterator[Team]:
    """Join the other processes of a training.

    Args:
        team: place of this process.
        address: host that holds the list of members.
        port: its port.
        device_name: ``compute.device``.

    Raises:
        UserError: there is no GPU for this process.
    """
    device = team.device(device_name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store = dist.TCPStore(  # type: ignore[attr-defined]
        address, port, is_master=False, timeout=PATIENCE
    )
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=store,
        rank=team.rank,
        world_size=team.size,
        timeout=PATIENCE,
    )
    yield team
    # Not after an error: the end of the others would be waited for.
    dist.destroy_process_group()
