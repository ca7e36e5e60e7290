from __future__ import annotations

import json

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.provenance.chain import chain_of
from ssl4sar.provenance.difference import compare_chains, difference_json, difference_lines
from ssl4sar.provenance.record import JobRecord


def compared(one, other):
    return compared_files(one.result, other.result)


def compared_files(one, other):
    return compare_chains(chain_of(one), chain_of(other), one.read_bytes() == other.read_bytes())


def printed(comparison) -> str:
    return "\n".join(difference_lines(comparison, "a", "b"))


def found(pair, kind: str) -> list[tuple[str, str, str]]:
    return [(d.subject, d.one, d.other) for d in pair.differences if d.kind == kind]


def test_two_clones_of_equal_runs_have_no_difference(project, another) -> None:
    another.make()
    comparison = compared(project, another)
    assert comparison.equal
    assert comparison.causes == ()
    assert all(pair.different_outputs == () for pair in comparison.pairs)
    assert all(pair.differences == () for pair in comparison.pairs)
    assert "the two files have the same content" in printed(comparison)


def test_a_parameter_is_found_where_the_difference_begins(project, another) -> None:
    path = another.root / "config/tiny.yaml"
    path.write_text(path.read_text().replace("0.002", "0.003"))
    another.make()
    comparison = compared(project, another)
    assert not comparison.equal
    assert {pair.name for pair in comparison.causes} == {"count member=seed0", "count member=seed1"}
    for pair in comparison.causes:
        assert found(pair, "config") == [("training.learning_rate", "0.002", "0.003")]
    total = comparison.pairs[-1]
    assert total.name == "total"
    assert total.follows == ("count member=seed0", "count member=seed1")
    assert "it begins with count member=seed0 (config training.learning_rate)" in printed(
        comparison
    )


def test_a_source_file_is_found(project, another) -> None:
    (another.root / "src/ssl4sar/core/cutting.py").write_text("WIDTH = 4\n")
    another.make()
    comparison = compared(project, another)
    # Other code, same results: told, and no cause.
    assert comparison.equal
    assert comparison.causes == ()
    cut = next(pair for pair in comparison.pairs if pair.name == "cut")
    assert [subject for subject, _, _ in found(cut, "code")] == ["src/ssl4sar/core/cutting.py"]
    assert "src/ssl4sar/core/cutting.py" in printed(comparison)


@pytest.mark.parametrize(
    ("old", "new", "job", "kind", "subjects"),
    [
        ("[0, 1]", "[0, 1, 2]", "total", "job", [("count", "none", "count member=seed2")]),
        ("abcabcabd", "abcabcaad", "cut", "input", ["raw.txt"]),
    ],
)
def test_an_additional_job_and_an_input_from_outside_are_found(
    project, another, old: str, new: str, job: str, kind: str, subjects: list[object]
) -> None:
    for path in (another.root / "config/tiny.yaml", another.outside):
        path.write_text(path.read_text().replace(old, new))
    another.make()
    (cause,) = compared(project, another).causes
    assert cause.name == job
    differences = found(cause, kind)
    assert differences == subjects or [each[0] for each in differences] == subjects


def test_two_seeds_of_one_project_are_paired_by_their_rule(project) -> None:
    folder = project.root / "runs/tiny"
    comparison = compared_files(folder / "count0.json", folder / "count1.json")
    (cause,) = comparison.causes
    assert cause.name == "count member=seed0 | count member=seed1"
    assert found(cause, "wildcard") == [("member", "seed0", "seed1")]


def test_results_that_do_not_repeat_are_called_so(project, another) -> None:
    another.make()
    path = another.root / "results/total.provenance.json"
    record = JobRecord.read(path)
    another.result.write_text("9")
    outputs = (record.outputs[0].model_copy(update={"sha256": "1" * 64}),)
    machine = {**record.machine, "devices": ["NVIDIA H200"]}
    record.model_copy(update={"outputs": outputs, "machine": machine}).write(path)
    text = printed(compared(project, another))
    assert "nothing recorded explains its total.json" in text
    assert "NVIDIA H200" in text


@pytest.mark.parametrize("equal", [True, False])
def test_json_holds_the_same(project, another, equal: bool) -> None:
    if not equal:
        another.outside.write_text("xbcabcabd")
    another.make()
    plain = json.loads(json.dumps(difference_json(compared(project, another))))
    assert plain["equal"] is equal
    assert plain["causes"] == ([] if equal else ["cut"])
    assert {job["one"] for job in plain["jobs"]} == {
        "cut",
        "count member=seed0",
        "count member=seed1",
        "total",
    }


def test_a_job_may_differ_by_itself_and_by_what_it_read(project, another) -> None:
    path = another.root / "config/tiny.yaml"
    text = path.read_text().replace("0.002", "0.003").replace("[0, 1]", "[1, 0]")
    path.write_text(text)
    another.make()
    comparison = compared(project, another)
    assert [pair.name for pair in comparison.causes] == [
        "count member=seed0",
        "count member=seed1",
        "total",
    ]
    assert "total (config seeds)" in printed(comparison)


def test_two_outputs_of_one_job_are_called_so(project) -> None:
    folder = project.root / "runs/tiny/pieces/sub"
    comparison = compared_files(folder / "0.txt", folder / "6.txt")
    assert not comparison.equal
    assert "different outputs of the same job, cut" in printed(comparison)


def test_files_of_different_rules_are_refused(project) -> None:
    with pytest.raises(UserError, match="made by different rules"):
        compared_files(project.result, project.root / "runs/tiny/pieces.txt")


def test_an_output_that_nobody_read_explains_nothing(project, another) -> None:
    """As a table of measured times: different in every run, and no cause of anything."""
    path = another.root / "config/tiny.yaml"
    path.write_text(path.read_text().replace("[0, 1]", "[1, 0]"))
    another.make()
    for number, each in enumerate((project, another)):
        record_path = each.root / "runs/tiny/pieces.provenance.json"
        record = JobRecord.read(record_path)
        times = record.outputs[1].model_copy(
            update={"path": "times.csv", "sha256": str(number) * 64}
        )
        record.model_copy(update={"outputs": (*record.outputs, times)}).write(record_path)
    comparison = compare_chains(project.chain(), another.chain(), equal=False)
    cut = next(pair for pair in comparison.pairs if pair.name == "cut")
    assert cut.different_outputs == ("times.csv",)
    assert [pair.name for pair in comparison.causes] == ["total"]
    assert "cut: different times.csv" in printed(comparison)
