from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssl4sar.core.record import RecordError
from ssl4sar.provenance.record import JobRecord, path_between, path_from


def a_record(project) -> JobRecord:
    return JobRecord.read(project.root / "runs/tiny/count1.provenance.json")


def test_a_record_survives_writing_and_reading(project, tmp_path: Path) -> None:
    record = a_record(project)
    record.write(tmp_path / "r.provenance.json")
    again = JobRecord.read(tmp_path / "r.provenance.json")
    assert again == record
    assert again.id == record.id


def test_a_record_tells_what_the_issue_of_trust_needs(project) -> None:
    record = a_record(project)
    assert (record.rule, record.wildcards, record.seed) == ("count", {"member": "seed1"}, 1)
    assert record.job == "count member=seed1"
    assert record.cfg == {"training": {"epochs": 2, "learning_rate": 0.002}}
    assert record.configuration.file == "config/tiny.yaml"
    assert record.code.script == "workflow/scripts/count.py"
    assert set(record.code.files) == {
        "workflow/scripts/count.py",
        "src/ssl4sar/__init__.py",
        "src/ssl4sar/core/__init__.py",
        "src/ssl4sar/core/cutting.py",
        "src/ssl4sar/train/__init__.py",
        "src/ssl4sar/train/counting.py",
    }
    assert [entry.path for entry in record.inputs] == ["pieces", "pieces.txt"]
    assert {entry.maker.rule for entry in record.inputs} == {"cut"}
    assert record.versions["python"].startswith("3.")
    assert record.started <= record.ended
    assert record.project == "../.."


def test_every_field_is_part_of_the_hash(project) -> None:
    record = a_record(project)
    ids = {record.id}
    for name, value in {
        "rule": "x",
        "cfg": {},
        "threads": 9,
        "started": "2001",
        "versions": {},
        "inputs": (),
        "cluster": {"slurm_job_id": "7"},
    }.items():
        ids.add(record.model_copy(update={name: value}).id)
    assert len(ids) == 8


def test_an_edit_is_noticed_wherever_it_is(project) -> None:
    path = project.root / "runs/tiny/count1.provenance.json"
    content = json.loads(path.read_text())
    content["outputs"][0]["bytes"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="edited") as caught:
        JobRecord.read(path)
    assert caught.value.fault == "edited"


def test_paths_count_from_the_folder_of_the_record() -> None:
    assert path_between("runs/a/x.json", "results") == "../runs/a/x.json"
    assert path_from("/p/results", "../runs/a/x.json") == Path("/p/runs/a/x.json")
    assert path_from("/p/results", "/data/x.json") == Path("/data/x.json")
