from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.record import JobRecord


@pytest.mark.parametrize("name", ["sub/3.txt", "added.txt"])
def test_an_altered_input_is_refused_with_the_job_that_made_it(project, name: str) -> None:
    path = project.root / "runs/tiny/pieces" / name
    path.write_text("abz")
    with pytest.raises(UserError) as caught:
        project.count(0)
    assert caught.value.subject == str(path)
    assert "not what cut wrote" in caught.value.problem
    assert "--forcerun cut" in caught.value.fix


@pytest.mark.parametrize("damage", ["poisoned", "truncated"])
def test_a_damaged_cache_entry_is_refused_and_named(project, tmp_path: Path, damage: str) -> None:
    path = project.root / "runs/tiny/pieces.txt"
    entry = tmp_path / "cache" / f"{'0a' * 32}_listing.txt"
    entry.parent.mkdir()
    shutil.move(path, entry)
    path.symlink_to(entry)
    project.count(0)
    text = entry.read_text()
    entry.write_text(text[:-1] if damage == "truncated" else "Z" + text[1:])
    with pytest.raises(UserError) as caught:
        project.count(0)
    assert f"remove {tmp_path}/cache/{'0a' * 32}_* and {path}, then run" in caught.value.fix
    assert "shared cache" in caught.value.fix


def test_a_damaged_record_of_an_input_is_refused(project) -> None:
    (project.root / "runs/tiny/pieces.provenance.json").write_text("{")
    with pytest.raises(UserError, match="this is not a valid record of a job"):
        project.count(0)


def test_a_missing_input_or_output_is_one_line(project) -> None:
    shutil.rmtree(project.root / "runs/tiny/pieces")
    with pytest.raises(UserError, match="pieces: does not exist"):
        project.count(0)


def test_code_that_changed_under_a_running_workflow_is_refused(project, monkeypatch) -> None:
    original = project.facts

    def stale(*args, **kwargs):
        facts = original(*args, **kwargs)
        return type(facts)(**{**vars(facts), "parameters": {**facts.parameters, "source": "old"}})

    monkeypatch.setattr(project, "facts", stale)
    with pytest.raises(UserError, match="changed since the workflow was started"):
        project.count(0)


def test_what_lies_outside_keeps_its_absolute_path(project) -> None:
    record = JobRecord.read(project.root / "runs/tiny/pieces.provenance.json")
    (entry,) = record.inputs
    assert (entry.path, entry.maker, entry.files) == (str(project.outside), None, None)


def test_the_chain_is_one_of_hashes(project) -> None:
    cut = JobRecord.read(project.root / "runs/tiny/pieces.provenance.json")
    count = JobRecord.read(project.root / "runs/tiny/count0.provenance.json")
    total = JobRecord.read(project.root / "results/total.provenance.json")
    assert {entry.maker.id for entry in count.inputs} == {cut.id}
    assert total.inputs[0].maker.id == count.id
    assert total.inputs[0].maker.record == "../runs/tiny/count0.provenance.json"
    assert total.inputs[0].sha256 == count.outputs[0].sha256


def test_a_wrong_clock_does_not_stop_a_job(project, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    import ssl4sar.provenance.recorder as recorder

    moments = iter([datetime(2030, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)])

    class Backwards(datetime):
        @classmethod
        def now(cls, tz=None):
            return next(moments)

    monkeypatch.setattr(recorder, "datetime", Backwards)
    project.total()
    record = JobRecord.read(project.root / "results/total.provenance.json")
    assert record.ended < record.started
    assert record.duration_s >= 0


def test_records_hold_no_environment_and_no_user(project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSE_PASSWORD", "hunter2")
    monkeypatch.setenv("USER", "jane.doe.somewhere")
    project.total()
    text = (project.root / "results/total.provenance.json").read_text()
    assert "hunter2" not in text
    assert "jane.doe" not in text
    assert json.loads(text)["schema"] == "ssl4sar.provenance/1"


def shared_entry(project, tmp_path: Path) -> Path:
    """Move the outputs of a job into a shared cache as Snakemake does; return its folder."""
    cache = tmp_path / "my cache"
    cache.mkdir()
    for name, kind in (("pieces", "folder"), ("pieces.txt", "listing.txt")):
        path = project.root / "runs/tiny" / name
        entry = cache / f"{'0a' * 32}_{kind}"
        shutil.move(path, entry)
        path.symlink_to(entry)
    return cache / f"{'0a' * 32}_folder"


def test_an_entry_that_two_clones_have_stored_at_once_counts_once(project, tmp_path: Path) -> None:
    entry = shared_entry(project, tmp_path)
    # Snakemake, of the second clone: `shutil.move` into a folder that is there moves below it.
    second = tmp_path / "second" / entry.name
    shutil.copytree(entry, second)
    shutil.move(second, entry)
    assert (entry / entry.name / "sub/3.txt").is_file()
    project.count(0)
    project.count(1)
    project.total()
    assert audit_chain(project.chain(), project.config).problems == []

    # A third clone gets a folder of links.
    pieces = project.root / "runs/tiny/pieces"
    pieces.unlink()
    pieces.mkdir()
    for path in entry.iterdir():
        (pieces / path.name).symlink_to(path)
    project.count(0)
    # What lies there under another name is not overlooked.
    (entry / f"{'0b' * 32}_folder").mkdir()
    (entry / f"{'0b' * 32}_folder/a.txt").write_text("a")
    (pieces / f"{'0b' * 32}_folder").symlink_to(entry / f"{'0b' * 32}_folder")
    with pytest.raises(UserError, match="not what cut wrote"):
        project.count(0)


def test_the_advice_about_an_entry_heals_also_below_it_and_with_spaces(
    project, tmp_path: Path
) -> None:
    entry = shared_entry(project, tmp_path)
    (entry / f"{'0b' * 32}_folder").mkdir()
    (entry / f"{'0b' * 32}_folder/a.txt").write_text("a")
    with pytest.raises(UserError) as caught:
        project.count(0)
    advice = re.search(r"remove (.*), then run again$", str(caught.value))
    assert advice is not None
    command = "rm -r " + advice[1].replace("* and ", "* ")
    subprocess.run(command, shell=True, check=True)
    assert list(entry.parent.iterdir()) == []
    assert not any(path.is_symlink() for path in (project.root / "runs/tiny").iterdir())


def test_an_audit_promises_what_is_proven_about_forgeries(project) -> None:
    """Anything less than the whole chain is found; the whole chain has another identity."""
    honest = JobRecord.read(project.root / "results/total.provenance.json").id
    listing = project.root / "runs/tiny/pieces.txt"
    listing.write_text("ABCABCABX")
    kept = project.root / "runs/tiny/pieces.provenance.json"
    record = JobRecord.read(kept)
    output = record.outputs[1].model_copy(
        update={"bytes": listing.stat().st_size, "sha256": sha256_file(listing)}
    )
    record.model_copy(update={"outputs": (record.outputs[0], output)}).write(kept)
    found = audit_chain(project.chain(), project.config).problems
    assert {problem.kind for problem in found} & {"stale", "record"}
    # Read by the next jobs before anybody looked: everything fits, as docs/provenance.md says.
    project.count(0)
    project.count(1)
    project.total()
    assert audit_chain(project.chain(), project.config).problems == []
    assert JobRecord.read(project.root / "results/total.provenance.json").id != honest
