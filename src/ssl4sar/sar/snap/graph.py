"""The graph that SNAP executes, as pyroSAR writes it, and what we change in it.

pyroSAR always orders a precise orbit and the latest auxiliary file. Here an orbit is of the kind of
the file that we give, or that of the product; and the calibration is that of the product.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Self
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ssl4sar.acquire.orbits.choice import OrbitKind
from ssl4sar.core.foreign import parse_xml, read_bounded

_ORBIT_TYPES: Final[dict[OrbitKind, str]] = {
    "POEORB": "Sentinel Precise (Auto Download)",
    "RESORB": "Sentinel Restituted (Auto Download)",
}
#: A release of SNAP may describe a parameter that it does not take.
_UNKNOWN: Final = re.compile(r"\[NodeId: ([^\]]+)\] Operator '[^']+': Unknown element '([^']+)'")


class Graph:
    """A graph of SNAP: nodes with an operator, sources and parameters.

    Args:
        root: element ``graph``.
    """

    def __init__(self, root: Element) -> None:
        self._root = root

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file of a graph.

        Raises:
            ValueError: it is not XML.
        """
        return cls(parse_xml(read_bounded(path)))

    def write(self, path: Path) -> None:
        """Write the file that ``gpt`` takes."""
        path.write_bytes(ElementTree.tostring(self._root, "utf-8", xml_declaration=True))

    def parameter(self, operator: str, name: str) -> str | None:
        """Return a parameter of an operator; None where there is none."""
        node = self._node(operator)
        return None if node is None else node.findtext(f"parameters/{name}")

    def set(self, operator: str, name: str, value: str) -> None:
        """Set a parameter of an operator, where the graph has it."""
        node = self._node(operator)
        for parameter in [] if node is None else node.iterfind(f"parameters/{name}"):
            parameter.text = value

    def use_orbit(self, kind: OrbitKind | None) -> None:
        """Take the orbit of a file of some kind, or that of the product where None."""
        if kind is not None:
            self.set("Apply-Orbit-File", "orbitType", _ORBIT_TYPES[kind])
            return
        node = self._node("Apply-Orbit-File")
        source = None if node is None else node.find("sources/*")
        if node is None or source is None:
            return
        self._root.remove(node)
        for follower in self._root.iterfind("node/sources/*"):
            if follower.get("refid") == node.get("id"):
                follower.set("refid", source.get("refid", ""))

    def drop_unknown(self, said: str) -> bool:
        """Take out the parameter that SNAP says it does not know; return whether there is one."""
        match = _UNKNOWN.search(said)
        node = self._root.find(f"node[@id='{match[1]}']/parameters") if match else None
        parameter = node.find(match[2]) if match and node is not None else None
        if node is None or parameter is None:
            return False
        node.remove(parameter)
        return True

    def _node(self, operator: str) -> Element | None:
        return self._root.find(f"node[operator='{operator}']")
