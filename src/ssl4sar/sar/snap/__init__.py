"""The optional engine ``pyrosar``: SNAP geocodes, by a graph that pyroSAR writes."""
