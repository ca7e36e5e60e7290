"""Program: let pyroSAR write the graph of a geocoding; the one place that imports pyroSAR.

It runs as a process of its own: pyroSAR asks SNAP for its operators, writes into the home folder
and may wait for ever. What it takes was read from pyroSAR 0.39.1.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from ssl4sar.core.foreign import read_json

#: Exit status where pyroSAR or SNAP cannot be used, whatever the scene.
UNUSABLE = 3


def main(request: Path, answer: Path) -> int:
    """Write the graph that a request describes, and an answer that says where it is.

    Args:
        request: JSON file with the arguments of ``pyroSAR.snap.geocode``.
        answer: JSON file to write: the file of the graph, and the versions that made it.

    Returns:
        The exit status.
    """
    try:
        from pyroSAR.examine import ExamineSnap
        from pyroSAR.snap import geocode

        toolbox = ExamineSnap().get_version("microwavetbx")
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return UNUSABLE
    # A test writes the graph and starts nothing.
    graph = geocode(**read_json(request), test=True, returnWF=True)
    versions = f"pyroSAR {version('pyroSAR')}, SNAP microwavetbx {toolbox}"
    answer.write_text(json.dumps({"graph": graph, "versions": versions}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
