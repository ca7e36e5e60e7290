from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ssl4sar.cli import main
from ssl4sar.commands.common import EXIT_OK, EXIT_PROBLEMS, EXIT_USER_ERROR
from ssl4sar.workflow.audit_command import configuration_of_today


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["audit", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_result_that_holds_exits_with_0(project, capsys) -> None:
    code, out, _ = run(capsys, project.result)
    assert code == EXIT_OK
    assert "everything holds: 8 files of 4 jobs" in out


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("runs/tiny/pieces.txt", "A", "B", "altered: {root}/runs/tiny/pieces.txt: cut wrote"),
        (
            "src/ssl4sar/train/counting.py",
            "\n",
            "; X = 1\n",
            "code: {root}/src/ssl4sar/train/counting",
        ),
        ("config/tiny.yaml", "0.002", "0.02", "config: training.learning_rate: is 0.02 today"),
    ],
)
def test_three_faults_three_answers(project, capsys, file: str, old: str, new: str, line) -> None:
    path = project.root / file
    path.write_text(path.read_text().replace(old, new, 1))
    code, out, _ = run(capsys, project.result)
    assert code == EXIT_PROBLEMS
    told = [part for part in out.replace("\n", " ").split("  ") if part]
    assert "1 problem: " in out
    assert line.format(root=project.root) in " ".join(told)


def test_json_is_json_alone(project, capsys) -> None:
    code, out, _ = run(capsys, project.result, "--json", "--quick")
    plain = json.loads(out)
    assert code == EXIT_OK
    assert plain["holds"] is True
    assert plain["bytes_hashed"] == 0
    assert plain["file"] == str(project.result)


def test_another_configuration_can_be_compared(project, capsys, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(
        (project.root / "config/tiny.yaml").read_text().replace("epochs: 2", "epochs: 5")
    )
    code, out, _ = run(capsys, project.result, "--configfile", other)
    assert code == EXIT_PROBLEMS
    assert "training.epochs: is 5 today, it was 2" in out


def test_values_of_the_command_line_belong_to_the_record(unmade) -> None:
    unmade.overrides = {"training": {"epochs": 7}}
    unmade.make()
    assert configuration_of_today(unmade.chain(), None).training.epochs == 7
    other = unmade.root / "config/tiny.yaml"
    assert configuration_of_today(unmade.chain(), other).training.epochs == 2


def test_without_a_record_there_is_one_line(project, capsys) -> None:
    (project.root / "results/total.provenance.json").unlink()
    code, out, err = run(capsys, project.result)
    assert code == EXIT_USER_ERROR
    assert out == ""
    assert "no record of the job" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", [None, "name: [", "name: tiny\nnonsense: 1\n"])
def test_a_broken_configuration_is_one_problem_among_others(project, capsys, content) -> None:
    (project.root / "Snakefile").write_text("")
    path = project.root / "config/tiny.yaml"
    path.unlink() if content is None else path.write_text(content)
    code, out, _ = run(capsys, project.result, "--json")
    assert code == EXIT_PROBLEMS
    plain = json.loads(out)
    assert [(p["kind"], Path(p["subject"]).name) for p in plain["problems"]] == [
        ("config", "tiny.yaml")
    ]
    assert plain["files"] == 8
    # One that was asked for must be right.
    code, _, err = run(capsys, project.result, "--configfile", path)
    assert code == EXIT_USER_ERROR
    assert "tiny.yaml" in err


def test_a_copied_result_is_reported_to_lack_its_project(project, capsys, tmp_path: Path) -> None:
    shutil.copytree(project.result.parent, tmp_path / "mine" / "results")
    code, out, _ = run(capsys, tmp_path / "mine/results/total.json", "--json")
    assert code == EXIT_PROBLEMS
    told = {p["kind"]: p["message"] for p in json.loads(out)["problems"]}
    assert "no Snakefile" in told["config"]
    assert "the record is missing" in told["record"]


@pytest.mark.parametrize(
    "arguments", [["results/total.json"], ["--quick"], ["--configfile", "x.yaml"]]
)
def test_a_comparison_takes_nothing_else(project, capsys, arguments: list[str]) -> None:
    code, _, err = run(capsys, *arguments, "--diff", project.result, project.result)
    assert code == EXIT_USER_ERROR
    assert "--diff" in err


def test_a_comparison_looks_at_the_files_themselves(project, another, capsys) -> None:
    another.make()
    another.result.write_text("7.25")
    code, _, err = run(capsys, "--diff", project.result, another.result)
    assert code == EXIT_USER_ERROR
    assert "not what total wrote: altered since" in err
    piece = project.root / "runs/tiny/pieces/sub"
    code, out, _ = run(capsys, "--diff", piece / "0.txt", piece / "3.txt")
    assert code == EXIT_OK  # both hold "abc"
    code, out, _ = run(capsys, "--diff", piece / "0.txt", piece / "6.txt")
    assert code == EXIT_PROBLEMS
    assert "different outputs of the same job" in out
    another.result.unlink()
    code, _, err = run(capsys, "--diff", project.result, another.result)
    assert code == EXIT_USER_ERROR
    assert "does not exist" in err


def test_a_crate_is_not_built_on_sizes(project, capsys, tmp_path: Path) -> None:
    code, _, err = run(capsys, project.result, "--quick", "--crate", tmp_path / "crate")
    assert code == EXIT_USER_ERROR
    assert "--quick: a crate needs hashes" in err


def test_differences_exit_like_diff(project, another, capsys) -> None:
    another.make()
    code, out, _ = run(capsys, "--diff", project.result, another.result)
    assert code == EXIT_OK
    assert "same content" in out
    path = another.root / "config/tiny.yaml"
    path.write_text(path.read_text().replace("0.002", "0.003"))
    another.make()
    code, out, _ = run(capsys, "--diff", project.result, another.result)
    assert code == EXIT_PROBLEMS
    assert "config training.learning_rate: 0.002 | 0.003" in out
    code, out, _ = run(capsys, "--diff", project.result, another.result, "--json")
    assert code == EXIT_PROBLEMS
    assert json.loads(out)["equal"] is False


def test_a_crate_is_written_of_what_holds_alone(project, capsys, tmp_path: Path) -> None:
    (project.root / "Snakefile").write_text("# the workflow\n")
    code, _, err = run(capsys, project.result, "--crate", tmp_path / "crate")
    assert code == EXIT_OK
    assert f"{tmp_path / 'crate'}: RO-Crate of" in err
    assert (tmp_path / "crate/ro-crate-metadata.json").is_file()
    project.result.write_text("[1]")
    code, _out, err = run(capsys, project.result, "--crate", tmp_path / "other")
    assert code == EXIT_PROBLEMS
    assert "no crate was written" in err
    assert not (tmp_path / "other").exists()
