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


def test_a_folder_goes_in_with_all_its_files(project: RecordedProject, data: CrateData) -> None:
    node = node_of(project, "cut")
    folder = data.entity_of(node, node.record.outputs[0])
    assert folder == "runs/tiny/pieces/"
    parts = [each["@id"] for each in data.graph.entities[folder]["hasPart"]]
    assert parts == [f"runs/tiny/pieces/sub/{number}.txt" for number in (0, 3, 6)]
    assert data.graph.entities[folder]["identifier"] == f"sha256:{node.record.outputs[0].sha256}"
    assert data.graph.entities[folder]["contentSize"] == "9"
    assert data.graph.entities[parts[0]]["sha256"] == sha256_file(project.root / parts[0])
    assert set(data.graph.copies) == set(parts)
    assert data.left_out == {}


def test_the_limit_counts_whole_folders(project: RecordedProject) -> None:
    node = node_of(project, "cut")
    for limit_bytes, inside in ((8, False), (9, True)):
        data = CrateData(CrateGraph(), Layout.of(project.chain()), limit_bytes)
        identifier = data.entity_of(node, node.record.outputs[0])
        assert identifier.startswith("#not-included/runs/tiny/pieces@") != inside
        assert bool(data.graph.copies) == inside
    wanted = frozenset({project.root / "runs/tiny/pieces"})
    data = CrateData(CrateGraph(), Layout.of(project.chain()), 0, wanted)
    assert data.entity_of(node, node.record.outputs[0]) == "runs/tiny/pieces/"


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
