from __future__ import annotations

import json
from typing import Any

import pytest
from recorded_project import RecordedProject

from ssl4sar.provenance.chain import Chain
from ssl4sar.provenance.crate_data import CrateData, Layout
from ssl4sar.provenance.crate_graph import ROOT, CrateGraph
from ssl4sar.provenance.crate_run import describe_run


def described(chain: Chain) -> dict[str, dict[str, Any]]:
    graph = CrateGraph()
    graph.add(ROOT, "Dataset", name="crate")
    describe_run(graph, CrateData(graph, Layout.of(chain), 10**6), chain)
    return graph.entities


@pytest.fixture
def study(project: RecordedProject) -> RecordedProject:
    (project.root / "Snakefile").write_text("rule all:\n")
    return project


@pytest.fixture
def graph(study: RecordedProject) -> dict[str, dict[str, Any]]:
    return described(study.chain())


def targets(entity: dict[str, Any], name: str) -> list[str]:
    return [each["@id"] for each in entity.get(name, [])]


def test_an_action_tells_what_its_record_tells(study: RecordedProject, graph) -> None:
    chain = study.chain()
    record = next(node.record for node in chain.nodes if node.record.job == "count member=seed1")
    action = graph["#job/runs/tiny/count1"]
    assert action["name"] == "count member=seed1"
    assert action["startTime"] == record.started
    assert action["endTime"] == record.ended
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert action["instrument"] == {"@id": "workflow/scripts/count.py"}
    assert targets(action, "object") == [
        "runs/tiny/pieces/",
        "runs/tiny/pieces.txt",
        "#value/training.epochs",
        "#value/training.learning_rate",
        "#value/wildcards.member/2",
    ]
    assert targets(action, "result") == ["runs/tiny/count1.json"]
    assert targets(action, "subjectOf") == ["runs/tiny/count1.provenance.json"]
    assert record.machine["host"] in action["description"]
    (duration,) = (graph[each] for each in targets(action, "resourceUsage"))
    assert float(duration["value"]) == record.duration_s
    assert duration["unitCode"] == "SEC"


def test_a_tool_has_the_code_that_ran(study: RecordedProject, graph) -> None:
    tool = graph["workflow/scripts/count.py"]
    assert tool["@type"] == ["File", "SoftwareSourceCode"]
    assert set(targets(tool, "hasPart")) == {
        "src/ssl4sar/__init__.py",
        "src/ssl4sar/core/__init__.py",
        "src/ssl4sar/core/cutting.py",
        "src/ssl4sar/train/__init__.py",
        "src/ssl4sar/train/counting.py",
    }
    programs = {graph[each]["name"] for each in targets(tool, "softwareRequirements")}
    assert {"python", "snakemake", "numpy"} <= programs
    assert "ssl4sar" not in programs


def test_places_outside_and_overrides(study: RecordedProject) -> None:
    chain = study.chain()
    record = chain.root.record
    told = record.configuration.model_copy(
        update={
            "file": "/home/jane/my.yaml",
            "overrides": {"caffe_root": "/home/jane/scenes", "more": ["/home/jane/a", 2]},
        }
    )
    changed = record.model_copy(update={"configuration": told})
    object.__setattr__(chain.root.claim, "record", changed)
    graph = described(chain)
    assert graph["#value/--config%20caffe_root"]["value"] == ".../scenes"
    assert graph["#value/--config%20more"]["value"] == '[".../a", 2]'
    assert "/home/jane" not in json.dumps(graph)
    assert not any(name.endswith("my.yaml") for name in graph)


def test_a_configuration_from_outside_has_a_place(study: RecordedProject, tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    chain = study.chain()
    told = chain.root.record.configuration.model_copy(update={"file": str(tmp_path / "mine.yaml")})
    changed = chain.root.record.model_copy(update={"configuration": told})
    object.__setattr__(chain.root.claim, "record", changed)
    graph = described(chain)
    assert graph["configuration/mine.yaml"]["contentSize"] == "11"
    assert "configuration/mine.yaml" in targets(graph["#run"], "object")
