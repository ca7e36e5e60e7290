from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.provenance.chain import Records, chain_of, external_inputs
from ssl4sar.provenance.contents import content_of
from ssl4sar.provenance.record import JobRecord
from ssl4sar.provenance.recorder import Recorder


def jobs(chain) -> list[str]:
    return [node.record.job for node in chain.nodes]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("results/total.json", {"total", "count member=seed0", "count member=seed1", "cut"}),
        ("runs/tiny/count1.json", {"count member=seed1", "cut"}),
        ("runs/tiny/pieces", {"cut"}),
        ("runs/tiny/pieces/sub/0.txt", {"cut"}),
    ],
)
def test_the_chain_of_a_file_holds_what_it_came_from(project, file: str, expected) -> None:
    chain = chain_of(project.root / file)
    assert set(jobs(chain)) == expected
    assert len(jobs(chain)) == len(expected)
    assert chain.gaps == []
    assert chain.rivals == []
    assert [entry.path for _, entry in external_inputs(chain)] == [str(project.outside)]


def test_a_link_to_a_result_is_followed(project, tmp_path: Path) -> None:
    link = tmp_path / "latest.json"
    link.symlink_to(project.result)
    assert len(chain_of(link).nodes) == 4


def test_relative_names_work(project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root / "results")
    assert len(chain_of("total.json").nodes) == 4


def test_readers_stand_before_makers_whatever_the_order_of_inputs(project) -> None:
    # The last job reads the first one directly, too, and before all others.
    inputs = [project.root / "runs/tiny/pieces.txt", project.root / "runs/tiny/count0.json"]
    facts = project.facts("total", inputs, ["results/total.json"], {})
    recorder = Recorder.begin(facts)
    recorder.finish()
    chain = project.chain()
    assert jobs(chain) == ["total", "count member=seed0", "cut"]
    place = {node.claim.path: number for number, node in enumerate(chain.nodes)}
    for node in chain.nodes:
        for _, maker in node.inputs:
            assert maker is None or place[maker.claim.path] > place[node.claim.path]


def test_claims_see_files_in_folders_and_nothing_else(project) -> None:
    records = Records()
    claims, unusable = records.claims(project.root / "runs/tiny/pieces/sub/0.txt")
    assert [claim.record.rule for claim in claims] == ["cut"]
    assert claims[0].output_path == project.root / "runs/tiny/pieces"
    assert unusable == []
    assert records.claims(project.root / "runs/tiny/other.txt") == ([], [])
    assert records.claims(project.root / "runs/tiny/count0.provenance.json") == ([], [])


def test_the_record_that_fits_the_content_is_chosen(project) -> None:
    path = project.root / "results/total.provenance.json"
    record = JobRecord.read(path)
    wrong = record.outputs[0].model_copy(update={"sha256": "0" * 64})
    later = record.model_copy(update={"outputs": (wrong,), "ended": "2999"})
    later.write(path.with_name("z.provenance.json"))
    assert chain_of(project.result, content_of(project.result)).root.record == record
    assert chain_of(project.result).root.record.ended == "2999"


def test_gaps_are_kept_with_their_reason(project) -> None:
    (project.root / "runs/tiny/pieces.provenance.json").write_text("{")
    chain = project.chain()
    assert {gap.error.fault for gap in chain.gaps} == {"damaged"}
    assert {gap.entry.path for gap in chain.gaps} == {"pieces", "pieces.txt"}
    (project.root / "runs/tiny/pieces.provenance.json").unlink()
    assert {gap.error for gap in project.chain().gaps} == {None}


def test_files_that_a_job_did_not_write_are_not_its(project) -> None:
    stray = project.root / "runs/tiny/pieces/sub/stray.txt"
    with pytest.raises(UserError, match="does not exist"):
        chain_of(stray)
    stray.write_text("?")
    with pytest.raises(UserError, match="cut, which wrote the folder that it is in, did not"):
        chain_of(stray)
    assert len(chain_of(stray.parent).nodes) == 1


def test_a_file_in_a_folder_with_an_unusable_record_is_reported_why(project) -> None:
    (project.root / "runs/tiny/pieces.provenance.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="this is not a valid record of a job"):
        chain_of(project.root / "runs/tiny/pieces/sub/0.txt")


def test_a_link_to_itself_has_no_record(tmp_path: Path) -> None:
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(UserError):
        chain_of(loop)
