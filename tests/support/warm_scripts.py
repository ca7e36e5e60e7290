"""Scripts of rules without the seconds that their imports take: each is a fork that has them.

A fork begins with the libraries that a script may need, and with nothing of the project. It has the
folder, environment, path of modules and output of the command line that it stands for, which waits
for it and ends as it does. Lightning alone takes ten seconds, in each job that trains.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: What scripts import apart from the project itself.
IMPORTED = (
    "lightning",
    "matplotlib.figure",
    "rasterio",
    "requests",
    "rich.progress",
    "shapely.ops",
    "skimage.registration",
    "snakemake.script",
    "tensorboard.summary",
    "timm",
    "torch.utils.tensorboard",
    "xarray",
)
#: Longest request: the environment is most of it.
_MAX_BYTES = 1_000_000


def import_for_forks(names: Iterable[str]) -> None:
    """Import modules that all forks of this process are to have, and none of the project."""
    gc.disable()
    for name in names:
        importlib.import_module(name)
    # What was imported stays: a fork need not look through it for garbage.
    gc.freeze()
    gc.enable()
    assert not any(name.split(".")[0] == "ssl4sar" for name in sys.modules)


def become(request: Mapping[str, Any], descriptors: tuple[int, ...], first_entry: str) -> None:
    """Give this process folder, environment, path of modules and output of a command line.

    Args:
        request: what `folder`, `environment` and `arguments` it has.
        descriptors: its standard input, output and error.
        first_entry: first entry of the path of modules.
    """
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    own = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    # The first entry is the folder of this file.
    sys.path[:1] = [first_entry, *own]
    sys.argv = list(request["arguments"])


def command(address: str) -> str:
    """Return the command that runs the script whose path follows."""
    # Without the packages of the environment: it starts in hundredths of a second.
    return f"{sys.executable} -SE {__file__} run {address}"


def serve(address: str) -> None:
    """Import, then fork for each script, until the standard input ends."""
    import select

    with socket.socket(socket.AF_UNIX) as listening:
        # Whoever asks meanwhile waits.
        listening.bind(address)
        listening.listen(64)
        print(flush=True)
        import_for_forks(IMPORTED)
        while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
            asking, _ = listening.accept()
            with asking:
                if os.fork() == 0:
                    listening.close()
                    return _answer(asking)
            _reap()
    return None


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _answer(asking: socket.socket) -> None:
    """Run a script in a fork, and say how it ended."""
    content, descriptors, _, _ = socket.recv_fds(asking, _MAX_BYTES, 3)
    while not content.endswith(b"\n"):
        content += asking.recv(_MAX_BYTES)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        asking.sendall(b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    asking.close()
    request = json.loads(content)
    path = request["arguments"][0]
    become(request, tuple(descriptors), str(Path(request["folder"], path).parent))
    _run(path)


def _run(path: str) -> None:
    import tempfile
    from types import ModuleType

    import torch

    # Both were read from the environment of this process when it began.
    tempfile.tempdir = None
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    main = ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    exec(compile(Path(path).read_bytes(), path, "exec"), main.__dict__)


def run(address: str, path: str) -> int:
    """Have a script run with this process's folder, environment and output; return its exit."""
    request = {"folder": str(Path.cwd()), "environment": dict(os.environ), "arguments": [path]}
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(address)
        content = json.dumps(request).encode() + b"\n"
        sent = socket.send_fds(asking, [content], [0, 1, 2])
        asking.sendall(content[sent:])
        answer = asking.recv(64)
    code = int(answer or b"1")
    # A signal that ended it is what a shell calls it.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(run(*sys.argv[2:]))
