from __future__ import annotations

import io
import json

from rich.console import Console

from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.terminal import audit_json, print_audit


def printed(project) -> str:
    stream = io.StringIO()
    audit = audit_chain(project.chain(), project.config)
    print_audit(audit, Console(file=stream, width=250))
    return stream.getvalue()


def test_the_tree_goes_down_to_what_came_from_outside(project) -> None:
    text = printed(project)
    order = [text.index(part) for part in ("total", "count member=seed0", "cut", "raw.txt")]
    assert order == sorted(order)
    assert "raw.txt (9 bytes)" in text
    assert "(from outside)" in text
    assert "cut (above)" in text
    assert "everything holds: 8 files of 4 jobs" in text


def test_what_a_reader_asks_is_there(project) -> None:
    text = printed(project)
    for part in ("code ", "parameters: training.epochs=2", "seed 0", "UTC", "sha256 ", "cpu"):
        assert part in text
    assert "versions: python=" in text
    # Long lists of equal parameters are printed once.
    assert text.count("training.learning_rate=0.002") == 1
    assert "parameters: as in count member=seed0" in text


def test_problems_come_last_and_are_counted(project) -> None:
    project.result.write_text("[1]")
    lines = printed(project).strip().splitlines()
    assert lines[-2].startswith("altered: ")
    assert lines[-1].startswith("1 problem: ")


def test_json_holds_everything(project) -> None:
    project.result.write_text("[1]")
    plain = json.loads(json.dumps(audit_json(audit_chain(project.chain(), project.config))))
    assert plain["holds"] is False
    assert plain["problems"][0]["kind"] == "altered"
    assert [job["rule"] for job in plain["jobs"]][-1] == "total"
    assert all(len(job["id"]) == 64 for job in plain["jobs"])
    assert plain["jobs"][0]["outputs"][0]["files"]["sub/0.txt"][0] == 3
