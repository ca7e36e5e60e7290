from __future__ import annotations

import json
from pathlib import Path

from ssl4sar.core.hashing import sha256_file
from ssl4sar.provenance.crate_graph import (
    ROOT,
    CrateGraph,
    reference,
)


def test_writing_copies_files_and_quotes_their_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    graph = CrateGraph()
    graph.add(ROOT, "Dataset", name="crate", license=[reference("#licence")])
    part = graph.add_file("a folder/ä b.txt", source, description="text")
    graph.add("a%20folder/", "Dataset", hasPart=[reference(part)])
    graph.add("#licence", "CreativeWork", name="free")
    (tmp_path / "crate").mkdir()
    graph.write(tmp_path / "crate")
    assert (tmp_path / "crate/a folder/ä b.txt").read_text() == "content"
    content = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())
    assert content["@context"] == [
        "https://w3id.org/ro/crate/1.1/context",
        "https://w3id.org/ro/terms/workflow-run/context",
    ]
    written = {entity["@id"]: entity for entity in content["@graph"]}
    assert written["a%20folder/%C3%A4%20b.txt"] == {
        "@id": "a%20folder/%C3%A4%20b.txt",
        "@type": "File",
        "name": "a folder/ä b.txt",
        "description": "text",
        "encodingFormat": "text/plain",
        "contentSize": "7",
        "sha256": sha256_file(source),
    }
    # RO-Crate 1.1 recommends a value instead of a list of one.
    assert written["a%20folder/"]["hasPart"] == {"@id": part}
    assert written["./"]["license"] == {"@id": "#licence"}
    assert {"@id": "a%20folder/"} in written["./"]["hasPart"]
