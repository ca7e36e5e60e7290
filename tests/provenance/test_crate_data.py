from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from recorded_project import RecordedProject

from ssl4sar.core.hashing import sha256_file
from ssl4sar.provenance.crate_data import CrateData, Layout
from ssl4sar.provenance.crate_graph import CrateGraph

MEGABYTE = 1_000_000


@pytest.fixture
def data(project: RecordedProject) -> CrateData:
    return CrateData(CrateGraph(), Layout.of(project.chain()), MEGABYTE)


def node_of(project: RecordedProject, job: str):
    return next(node for node in project.chain().nodes if node.record.job == job)


def test_results_elsewhere_count_from_where_the_workflow_ran(project: RecordedProject) -> None:
    chain = project.chain()
    moved = Path("/scratch/run")
    for node in chain.nodes:
        place = node.claim.path.relative_to(project.root)
        record = node.record.model_copy(
            update={"project": f"{'../' * len((moved / place).parent.parts[1:])}code"}
        )
        node.claim = dataclasses.replace(node.claim, path=moved / place, record=record)
    layout = Layout.of(chain)
    assert layout == Layout(Path("/code"), moved)
    assert layout.place(moved / "results/total.json") == "results/total.json"
    assert layout.place(Path("/code/src/x.py")) == "src/x.py"
    assert layout.place(Path("/elsewhere/x")) is None


def test_a_folder_with_one_more_file_stays_out(project: RecordedProject, data: CrateData) -> None:
    (project.root / "runs/tiny/pieces/new.txt").write_text("?")
    node = node_of(project, "cut")
    identifier = data.entity_of(node, node.record.outputs[0])
    assert data.graph.entities[identifier]["@type"] == "Dataset"
    assert data.left_out == {"runs/tiny/pieces": "it has another content now"}
    told = data.graph.entities[identifier]["description"]
    assert told.startswith("Not included in this crate: it has another content now. 3 files, 9 by")


def test_a_place_is_given_away_once(project: RecordedProject, tmp_path: Path) -> None:
    data = CrateData(CrateGraph(), Layout(project.root, tmp_path / "run"), MEGABYTE)
    for root in (project.root, tmp_path / "run"):
        (root / "src").mkdir(parents=True, exist_ok=True)
        (root / "src/same.py").write_text(str(root))
    first = data.source_file(project.root, "src/same.py", sha256_file(project.root / "src/same.py"))
    other = tmp_path / "run"
    second = data.source_file(other, "src/same.py", sha256_file(other / "src/same.py"))
    assert first == "src/same.py"
    assert second.startswith("#not-included/src/same.py@")
    assert data.left_out == {"src/same.py": "another file of the crate has its place"}
