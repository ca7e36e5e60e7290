from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssl4sar.core.hashing import sha256_file
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import chain_of
from ssl4sar.provenance.findings import Audit
from ssl4sar.provenance.recorder import Recorder


def audited(project, quick: bool = False) -> Audit:
    return audit_chain(project.chain(), project.config, quick)


def found_in(audit: Audit) -> list[tuple[str, str, str]]:
    return [(p.kind, Path(p.subject).name, p.message) for p in audit.problems]


def test_a_truncated_file_is_seen_by_the_quick_audit_too(project) -> None:
    (project.root / "runs/tiny/pieces.txt").write_text("A")
    for quick in (False, True):
        assert found_in(audited(project, quick)) == [
            ("altered", "pieces.txt", "cut wrote 9 bytes, it has 1")
        ]


def test_missing_and_added_files_are_named(project) -> None:
    (project.root / "runs/tiny/pieces/sub/6.txt").unlink()
    (project.root / "runs/tiny/pieces/sub/new.txt").write_text("?")
    assert [(p.kind, Path(p.subject).name) for p in audited(project).problems] == [
        ("missing", "6.txt"), ("added", "new.txt"),
    ]  # fmt: skip


def test_what_came_from_outside_counts(project) -> None:
    project.outside.write_text("abcabcabe")
    assert [(p.kind, p.jobs) for p in audited(project).problems] == [("altered", ("cut",))]
    project.outside.unlink()
    assert [p.kind for p in audited(project).problems] == ["missing"]


def test_a_file_added_to_data_from_outside_is_reported_where_data_are(unmade) -> None:
    folder = unmade.outside.parent
    (folder / "scenes").mkdir()
    (folder / "scenes" / "a.txt").write_text("a")
    facts = unmade.facts("cut", [folder], ["runs/tiny/one.txt"], {})
    recorder = Recorder.begin(facts)
    facts.outputs[0].parent.mkdir(parents=True)
    facts.outputs[0].write_text("1")
    recorder.finish()
    (folder / "notes.txt").write_text("of no matter")
    assert audit_chain(chain_of(facts.outputs[0]), unmade.config).holds
    (folder / "scenes" / "b.txt").write_text("b")
    audit = audit_chain(chain_of(facts.outputs[0]), unmade.config)
    (folder / "scenes" / "a.txt").write_text("z")
    audit = audit_chain(chain_of(facts.outputs[0]), unmade.config)
    assert [(p.kind, Path(p.subject).name) for p in audit.problems] == [
        ("altered", "a.txt"), ("added", "b.txt"),
    ]  # fmt: skip


def test_a_deleted_temporary_file_is_a_note_and_its_hash_stays(unmade) -> None:
    unmade.temporary = frozenset({"runs/tiny/pieces"})
    unmade.make()
    shutil.rmtree(unmade.root / "runs/tiny/pieces")
    audit = audited(unmade)
    assert audit.holds, audit.problems
    # One line for all: raw products of a run are thousands of files.
    (note,) = (each for each in audit.notes if "temporary, deleted after use" in each)
    assert "runs/tiny/pieces: " in note
    cut = next(node for node in audit.chain.nodes if node.record.rule == "cut")
    assert len(cut.record.outputs[0].files) == 3


def test_a_folder_that_cannot_be_listed_is_named(project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("ssl4sar.provenance.audit_files.folder_files", refuse)
    assert found_in(audited(project)) == [
        ("unreadable", "pieces", "the folder cannot be listed (Permission denied)")
    ]


def test_files_that_cannot_be_read_are_named(project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path):
        if Path(path).name == "pieces.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return sha256_file(path)

    monkeypatch.setattr("ssl4sar.provenance.audit_files.sha256_file", refuse)
    assert found_in(audited(project)) == [
        ("unreadable", "pieces.txt", "cannot be read (Permission denied)")
    ]
