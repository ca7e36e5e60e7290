from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import chain_of
from ssl4sar.provenance.findings import Audit, listed
from ssl4sar.provenance.record import JobRecord


def audited(project, quick: bool = False) -> Audit:
    return audit_chain(project.chain(), project.config, quick)


def found_in(audit: Audit) -> list[tuple[str, str, str]]:
    return [(p.kind, Path(p.subject).name, p.message) for p in audit.problems]


def test_a_finished_project_holds(project) -> None:
    audit = audited(project)
    assert audit.holds, audit.problems
    # raw, three pieces, their listing, two counts, the result
    assert audit.files == 8
    assert audit.bytes == sum(
        path.stat().st_size
        for path in [project.outside, *project.root.rglob("*")]
        if path.is_file()
        and (path == project.outside or path.parts[len(project.root.parts)] in {"runs", "results"})
        and not path.name.endswith(".provenance.json")
    )
    # Readers before makers.
    assert [node.record.job for node in audit.chain.nodes] == [
        "total", "count member=seed1", "count member=seed0", "cut",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "job"),
    [
        ("results/total.json", "total"),
        ("runs/tiny/count1.json", "count member=seed1"),
        ("runs/tiny/pieces/sub/3.txt", "cut"),
        ("runs/tiny/pieces.txt", "cut"),
    ],
)
def test_one_altered_byte_is_named(project, file: str, job: str) -> None:
    path = project.root / file
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    stamp = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    problems = audited(project).problems
    assert [(p.kind, p.jobs) for p in problems] == [("altered", (job,))]
    assert problems[0].subject.endswith(file)
    assert f"{job} wrote sha256" in problems[0].message
    # Sizes alone cannot show it, and the quick audit says that it looked at nothing else.
    quick = audited(project, quick=True)
    assert quick.holds
    assert quick.bytes == 0
    assert any("contents were not" in note for note in quick.notes)


def test_what_a_shared_cache_served_belongs_to_the_project_of_the_result(
    project, another, tmp_path: Path
) -> None:
    """A record that another clone wrote: its maker's record and its project are not here."""
    another.make()
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("count0.json", "count0.provenance.json"):
        shutil.move(another.root / "runs/tiny" / name, cache / name)
        (project.root / "runs/tiny" / name).unlink()
        (project.root / "runs/tiny" / name).symlink_to(cache / name)
    record = JobRecord.read(cache / "count0.provenance.json")
    record.model_copy(update={"project": "../../../nowhere"}).write(
        cache / "count0.provenance.json"
    )
    project.total()
    audit = audited(project)
    assert audit.holds, audit.problems
    assert audit.notes == []


def test_one_source_line_is_named_with_the_jobs_that_used_it(project) -> None:
    path = project.root / "src/ssl4sar/core/cutting.py"
    path.write_text(path.read_text() + "EDITED = 1\n")
    problems = audited(project).problems
    assert [(p.kind, set(p.jobs)) for p in problems] == [
        ("code", {"cut", "count member=seed0", "count member=seed1"})
    ]
    assert problems[0].subject.endswith("src/ssl4sar/core/cutting.py")
    assert "differs today from what ran in" in problems[0].message


def test_a_file_that_differs_in_texts_only_is_a_note(project) -> None:
    path = project.root / "src/ssl4sar/core/cutting.py"
    path.write_text('"""Another word for it."""\n' + path.read_text() + "# a remark\n")
    found = audited(project)
    assert found.problems == []
    assert any(
        "cutting.py" in note and "cannot change what was computed" in note for note in found.notes
    )


def test_new_and_dropped_modules_are_named(project) -> None:
    (project.root / "src/ssl4sar/report/extra.py").write_text("")
    adding = project.root / "src/ssl4sar/report/adding.py"
    adding.write_text("import ssl4sar.report.extra\n")
    (project.root / "workflow/scripts/count.py").write_text("")
    found = {(Path(p.subject).name, p.message.split(",")[0]) for p in audited(project).problems}
    assert ("extra.py", "is used today") in found
    assert ("counting.py", "is unused today") in found


def test_one_configuration_value_is_named_with_both_values(project) -> None:
    path = project.root / "config/tiny.yaml"
    path.write_text(path.read_text().replace("0.002", "0.003"))
    problems = audited(project).problems
    assert [(p.kind, p.subject) for p in problems] == [("config", "training.learning_rate")]
    assert "is 0.003 today, it was 0.002" in problems[0].message
    assert set(problems[0].jobs) == {"count member=seed0", "count member=seed1"}


def test_records_survive_moving_the_project(project, tmp_path: Path) -> None:
    shutil.move(project.root, tmp_path / "elsewhere" / "moved")
    project.root = tmp_path / "elsewhere" / "moved"
    assert audited(project).holds


def test_a_record_that_several_jobs_miss_is_reported_once(project) -> None:
    (project.root / "runs/tiny/pieces.provenance.json").unlink()
    (problem,) = audited(project).problems
    assert problem.jobs == ("count member=seed0", "count member=seed1") or problem.jobs == (
        "count member=seed1", "count member=seed0",
    )  # fmt: skip
    assert problem.message.startswith("the record is missing (it says how ")
    assert "pieces.txt" in problem.message


def test_a_record_missing_already_when_a_job_read_is_reported(unmade) -> None:
    unmade.cut()
    (unmade.root / "runs/tiny/pieces.provenance.json").unlink()
    unmade.count(0)
    unmade.count(1)
    unmade.total()
    found = found_in(audited(unmade))
    assert {(kind, name) for kind, name, _ in found} == {
        ("record", "pieces"), ("record", "pieces.txt"),
    }  # fmt: skip
    assert "had left no record when count" in found[0][2]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda r: r["cfg"]["training"].update(epochs=3), "was edited since it was written"),
        (lambda r: r.update(schema="ssl4sar.provenance/9"), "written by a newer ssl4sar"),
        (lambda r: r.pop("rule"), "this is not a valid record of a job (rule: "),
        (lambda r: r.update(schema="other/1"), "its schema is 'other/1'"),
    ],
)
def test_records_that_cannot_be_used_are_named(project, change, part: str) -> None:
    path = project.root / "runs/tiny/count0.provenance.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    problems = audited(project).problems
    assert [(p.kind, Path(p.subject).name) for p in problems] == [("record", path.name)]
    assert part in problems[0].message
    assert "count0.json was made" in problems[0].message
    # Asked for the file itself there is nothing to audit: one line says why.
    with pytest.raises(UserError, match=r"count0\.provenance\.json"):
        chain_of(project.root / "runs/tiny/count0.json")


def test_a_result_copied_from_elsewhere_is_reported(project, tmp_path: Path) -> None:
    copy = tmp_path / "mine" / "total.json"
    copy.parent.mkdir()
    shutil.copy(project.result, copy)
    with pytest.raises(UserError, match="no record of the job that made it"):
        chain_of(copy)
    # With its record the copy is known, and everything upstream of it is missing.
    shutil.copy(project.result.with_name("total.provenance.json"), copy.parent)
    problems = audit_chain(chain_of(copy), project.config).problems
    assert {p.kind for p in problems} == {"record", "code"}
    with pytest.raises(UserError, match="does not exist"):
        chain_of(tmp_path / "nothing.json")


def test_two_records_of_one_file_are_reported(project) -> None:
    record = project.root / "results/total.provenance.json"
    shutil.copy(record, record.with_name("copy.provenance.json"))
    problems = audited(project).problems
    assert [p.kind for p in problems] == ["rival"]
    assert "copy.provenance.json" in problems[0].message
    assert "total.provenance.json" in problems[0].message


def test_an_input_made_again_is_stale_until_its_readers_ran_again(project) -> None:
    path = project.root / "config/tiny.yaml"
    path.write_text(path.read_text().replace("epochs: 2", "epochs: 3"))
    project.count(0)
    problems = audited(project).problems
    assert ("stale", "count0.json") in {(p.kind, Path(p.subject).name) for p in problems}
    project.count(1)
    project.total()
    assert audited(project).holds


def test_made_again_with_the_same_content_still_holds(project) -> None:
    project.cut()
    audit = audited(project)
    assert audit.holds
    assert any("made again since" in note for note in audit.notes)


def test_a_configuration_that_cannot_be_read_is_a_problem_and_the_rest_is_audited(project) -> None:
    project.result.write_text("[1]")
    error = UserError("config/tiny.yaml", "the file does not exist", "see config/")
    audit = audit_chain(project.chain(), error)
    assert [(p.kind, Path(p.subject).name) for p in audit.problems] == [
        ("altered", "total.json"), ("config", "tiny.yaml"),
    ]  # fmt: skip


def test_a_rewritten_record_breaks_the_chain_of_hashes(project) -> None:
    """Its own hash holds, but it is not the one that was found when its output was read."""
    path = project.root / "runs/tiny/count0.provenance.json"
    record = JobRecord.read(path)
    record.model_copy(update={"wildcards": {"member": "seed0"}, "seed": 42}).write(path)
    problems = audited(project).problems
    assert [(p.kind, Path(p.subject).name) for p in problems] == [("record", path.name)]
    assert "not the record that total found" in problems[0].message


@pytest.mark.parametrize(
    ("updates", "note"),
    [
        ({"ended": "2001-01-01T00:00:00.000+00:00"}, "went backwards"),
        ({"versions": {"numpy": "0.1"}}, "count member=seed0 ran with numpy 0.1, here is"),
    ],
)
def test_a_wrong_clock_and_other_versions_are_notes(project, updates, note: str) -> None:
    path = project.root / "runs/tiny/count0.provenance.json"
    JobRecord.read(path).model_copy(update=updates).write(path)
    project.total()
    audit = audited(project)
    assert audit.holds
    assert any(note in each for each in audit.notes)


def test_a_changed_rule_file_is_a_note(project) -> None:
    (project.root / "Snakefile").write_text("# rules\n")
    audit = audited(project)
    assert audit.holds
    assert any("ran with another Snakefile" in note for note in audit.notes)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [("aba", "a, b"), ("abcd", "a, b, c, d"), ("abcdef", "a, b, c, d and 2 more")],
)
def test_long_lists_are_cut_and_counted(jobs: str, expected: str) -> None:
    assert listed(list(jobs)) == expected
