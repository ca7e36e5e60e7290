from __future__ import annotations

import getpass
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded_project import RecordedProject

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import chain_of
from ssl4sar.provenance.crate import write_crate
from ssl4sar.provenance.recorder import Recorder

CITATION = (
    "title: tiny\nlicense: Apache-2.0\nrepository-code: https://example.org/tiny\n"
    "authors:\n  - name: The tiny developers\n  - family-names: Doe\n    given-names: Jane\n"
)
#: Every term of the crate, each looked up in the published contexts of RO-Crate 1.1 and of the
#: workflow run terms: the newer context that the tests validate with knows more.
TERMS = """
    ComputationalWorkflow ComputerLanguage ControlAction CreateAction CreativeWork Dataset File
    FormalParameter HowTo HowToStep OrganizeAction Organization Person PropertyValue
    SoftwareApplication SoftwareSourceCode
    about actionStatus additionalType author conformsTo contentSize datePublished description
    encodingFormat endTime exampleOfWork hasPart identifier input instrument isBasedOn keywords
    license mainEntity mentions name object output position programmingLanguage propertyID
    resourceUsage result sha256 softwareRequirements softwareVersion startTime step subjectOf
    unitCode unitText url value version workExample
"""


@pytest.fixture
def study(project: RecordedProject) -> RecordedProject:
    """A finished project in miniature with everything that a crate describes."""
    texts = {
        "Snakefile": "include: 'workflow/rules/all.smk'\n",
        "workflow/rules/all.smk": "rule cut:\n",
        "CITATION.cff": CITATION,
        "LICENSE": "do as you like\n",
    }
    for name, text in texts.items():
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text(text)
    return project


@pytest.fixture
def crate(study: RecordedProject, tmp_path: Path) -> Path:
    """Its crate."""
    write_crate(study.chain(), tmp_path / "crate", published="2026-01-02")
    return tmp_path / "crate"


def graph_of(crate: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((crate / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in content["@graph"]}


def problems(crate: Path, severity: str = "REQUIRED") -> list[str]:
    # The validator takes seconds to import, which the fast tests spare.
    from crate_validation import problems

    return problems(crate, severity)


def targets(entity: dict[str, Any], name: str) -> list[str]:
    value = entity.get(name, [])
    return [each["@id"] for each in (value if isinstance(value, list) else [value])]


@pytest.mark.slow
def test_the_validator_accepts_it(crate: Path) -> None:
    assert problems(crate) == []


@pytest.mark.slow
def test_only_what_no_record_knows_is_recommended_in_addition(crate: Path) -> None:
    found = set(problems(crate, "RECOMMENDED"))
    known = (
        "agent",  # who ran a job is in no record
        "url",  # of scripts, which lie in the crate
        "absolute URI",  # likewise
        "publisher",
        "affiliation",
    )
    assert [each for each in found if not any(word in each for word in known)] == []
    assert found


def drop(identifier: str, name: str) -> Callable[[dict[str, dict[str, Any]]], None]:
    def change(graph: dict[str, dict[str, Any]]) -> None:
        del graph[identifier][name]

    return change


def leave_profile(graph: dict[str, dict[str, Any]]) -> None:
    profiles = graph["./"]["conformsTo"]
    graph["./"]["conformsTo"] = [each for each in profiles if "provenance" not in each["@id"]]


def lose_file(graph: dict[str, dict[str, Any]]) -> None:
    graph["results/missing.json"] = {"@id": "results/missing.json", "@type": "File"}
    graph["./"]["hasPart"].append({"@id": "results/missing.json"})


#: What a crate may lack, and what the validator says of it.
WRONG = (
    (drop("./", "license"), "license"),
    (drop("Snakefile", "programmingLanguage"), "language"),
    (drop("Snakefile", "hasPart"), "orchestrated tools"),
    (drop("#step/results/total", "instrument"), "HowToStep instance"),
    (drop("#job/results/total", "instrument"), "executed tool"),
    (drop("#engine", "result"), "workflow run"),
    (drop("#parameter/training.epochs", "additionalType"), "additionalType"),
    (lose_file, "results/missing.json"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        WRONG,
        # The validator looks no further without these.
        [(drop("./", "mainEntity"), "Main Workflow|mainEntity")],
        [(leave_profile, "Provenance Run Crate profile")],
    ],
    ids=["parts", "main", "profile"],
)
def test_the_validator_would_see_a_wrong_crate(crate: Path, changes) -> None:
    path = crate / "ro-crate-metadata.json"
    content = json.loads(path.read_text())
    graph = {entity["@id"]: entity for entity in content["@graph"]}
    for change, _ in changes:
        change(graph)
    path.write_text(json.dumps({**content, "@graph": list(graph.values())}))
    found = problems(crate)
    unseen = [text for _, text in changes if not any(re.search(text, each) for each in found)]
    assert unseen == []


def test_every_file_is_described_with_its_hash(crate: Path, study: RecordedProject) -> None:
    graph = graph_of(crate)
    files = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    own = {"ro-crate-metadata.json", "ro-crate-preview.html"}
    told = {name: graph[name] for name in files - own}
    assert {name: entity["sha256"] for name, entity in told.items()} == {
        name: sha256_file(crate / name) for name in told
    }
    assert {name: int(entity["contentSize"]) for name, entity in told.items()} == {
        name: (crate / name).stat().st_size for name in told
    }
    for name in files - own - {"README.md"}:
        assert (crate / name).read_bytes() == (study.root / name).read_bytes()
    assert {
        "results/total.json",
        "results/total.provenance.json",
        "runs/tiny/pieces/sub/0.txt",
        "runs/tiny/pieces.provenance.json",
        "config/tiny.yaml",
        "Snakefile",
        "workflow/rules/all.smk",
        "workflow/scripts/cut.py",
        "src/ssl4sar/core/cutting.py",
        "CITATION.cff",
    } <= files


def test_it_uses_only_terms_of_its_contexts(crate: Path) -> None:
    used: set[str] = set()
    for entity in graph_of(crate).values():
        kind = entity["@type"]
        used |= {name for name in entity if not name.startswith("@")}
        used |= set(kind if isinstance(kind, list) else [kind])
    assert used <= set(TERMS.split())
    assert {"CreateAction", "sha256", "resourceUsage", "Person", "Organization"} <= used


def test_an_audit_of_the_result_in_the_crate_holds(crate: Path, study: RecordedProject) -> None:
    today = study.config
    shutil.rmtree(study.root)
    found = audit_chain(chain_of(crate / "results/total.json"), today)
    assert found.problems == []
    assert found.files == 8


def test_large_files_are_described_only(study: RecordedProject, tmp_path: Path) -> None:
    crate = tmp_path / "crate"
    summary = write_crate(study.chain(), crate, limit_mb=0)
    assert not (crate / "runs/tiny/pieces").exists()
    assert not (crate / "runs/tiny/count0.json").exists()
    assert summary.left_out["runs/tiny/pieces"] == "it is larger than 0 MB"
    assert summary.left_out["raw.txt"] == "it is outside the project"
    graph = graph_of(crate)
    sha256 = sha256_file(study.root / "runs/tiny/count0.json")
    described = graph[f"#not-included/runs/tiny/count0.json@{sha256[:12]}"]
    assert described["sha256"] == sha256
    assert described["contentSize"] == str((study.root / "runs/tiny/count0.json").stat().st_size)
    assert "larger than 0 MB" in described["description"]
    assert "`runs/tiny/pieces`: it is larger" in (crate / "README.md").read_text()
    # The result is what the crate is about: it is in it at any size.
    assert (crate / "results/total.json").read_bytes() == study.result.read_bytes()


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("runs/tiny/count0.json", "12", "it has another content now"),
        ("runs/tiny/count0.json", None, "it is no longer there"),
        ("src/ssl4sar/core/cutting.py", "WIDTH = 4\n", "it has another content now"),
        ("workflow/scripts/cut.py", "", "it has another content now"),
    ],
)
def test_what_is_not_what_it_was_stays_out(
    study: RecordedProject, tmp_path: Path, file: str, text: str | None, reason: str
) -> None:
    before = sha256_file(study.root / file)
    if text is None:
        (study.root / file).unlink()
    else:
        (study.root / file).write_text(text)
    crate = tmp_path / "crate"
    summary = write_crate(study.chain(), crate)
    assert summary.left_out[file] == reason
    assert not (crate / file).exists()
    entity = graph_of(crate)[f"#not-included/{file}@{before[:12]}"]
    assert entity["sha256"] == before
    assert reason in entity["description"]


@pytest.mark.slow
def test_crates_of_downloads_and_without_large_files_are_accepted_too(
    study: RecordedProject, tmp_path: Path
) -> None:
    write_crate(study.chain(), tmp_path / "small", limit_mb=0)
    assert problems(tmp_path / "small") == []
    write_crate(chain_of(study.root / download(study)[0]), tmp_path / "download")
    assert problems(tmp_path / "download") == []


@pytest.mark.slow
def test_crates_with_gaps_are_accepted_too(study: RecordedProject, tmp_path: Path) -> None:
    for name in ("workflow/scripts/count.py", "runs/tiny/count0.json", "src/ssl4sar/__init__.py"):
        (study.root / name).write_text("# altered\n")
    for name in ("CITATION.cff", "runs/tiny/pieces.provenance.json", "config/tiny.yaml"):
        (study.root / name).unlink()
    crate = tmp_path / "crate"
    assert len(write_crate(study.chain(), crate).left_out) == 3
    assert "2 inputs have no usable record" in graph_of(crate)["./"]["description"]
    assert problems(crate) == []


def test_a_result_that_was_altered_gets_no_crate(study: RecordedProject, tmp_path: Path) -> None:
    study.result.write_text("0")
    with pytest.raises(
        UserError, match=r"total\.json: it does not go into a crate: it has another"
    ):
        write_crate(study.chain(), tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def test_without_a_snakefile_there_is_no_workflow(study: RecordedProject, tmp_path: Path) -> None:
    (study.root / "Snakefile").unlink()
    with pytest.raises(UserError, match="Snakefile: is missing"):
        write_crate(study.chain(), tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def test_places_outside_the_project_stay_private(crate: Path, study: RecordedProject) -> None:
    text = (crate / "ro-crate-metadata.json").read_text()
    assert str(study.outside.parent) not in text
    assert str(study.root) not in text
    assert f'"{getpass.getuser()}"' not in text
    sha256 = sha256_file(study.outside)
    entity = graph_of(crate)[f"#outside/raw.txt@{sha256[:12]}"]
    assert entity["sha256"] == sha256
    assert f"#outside/raw.txt@{sha256[:12]}" in targets(graph_of(crate)["#run"], "object")


def test_authors_and_licence_come_from_the_citation(crate: Path) -> None:
    graph = graph_of(crate)
    assert targets(graph["./"], "license") == ["https://spdx.org/licenses/Apache-2.0"]
    authors = [graph[each] for each in targets(graph["./"], "author")]
    assert [author["name"] for author in authors] == ["The tiny developers", "Jane Doe"]
    assert [author["@type"] for author in authors] == ["Organization", "Person"]
    assert targets(authors[0], "url") == ["https://example.org/tiny"]


@pytest.mark.parametrize("text", [None, "[", "authors: [1]\n"])
def test_without_a_citation_the_licence_is_not_stated(
    study: RecordedProject, tmp_path: Path, text: str | None
) -> None:
    path = study.root / "CITATION.cff"
    path.unlink()
    if text is not None:
        path.write_text(text)
    crate = tmp_path / "crate"
    write_crate(study.chain(), crate)
    assert graph_of(crate)["#license"]["name"] == "not stated"


def test_synthetic_results_say_so(study: RecordedProject, tmp_path: Path) -> None:
    def total_with(dataset: dict[str, Any]) -> dict[str, Any]:
        inputs = [study.root / f"runs/tiny/count{seed}.json" for seed in study.config.seeds]
        recorder = Recorder.begin(study.facts("total", inputs, ["results/total.json"], {}))
        study.result.write_text(json.dumps({"dataset": dataset}))
        recorder.finish()
        write_crate(study.chain(), tmp_path / "crate")
        return graph_of(tmp_path / "crate")["./"]

    root = total_with({"synthetic": True, "note": "SYNTHETIC scenes: not an observation"})
    assert root["name"] == "SYNTHETIC: total.json of the study tiny"
    assert root["description"].startswith("SYNTHETIC scenes: not an observation. results/")
    root = total_with({"synthetic": False, "note": "real scenes"})
    assert root["name"] == "total.json of the study tiny"
    assert root["description"].startswith("real scenes. results/total.json of the study tiny")


def test_everything_made_from_rendered_scenes_is_synthetic(
    study: RecordedProject, tmp_path: Path
) -> None:
    (study.root / "workflow/scripts/render_caffe.py").write_text("")
    recorder = Recorder.begin(study.facts("render_caffe", [], ["runs/tiny/caffe/scene.png"], {}))
    (study.root / "runs/tiny/caffe").mkdir()
    (study.root / "runs/tiny/caffe/scene.png").write_text("scene")
    recorder.finish()
    crate = tmp_path / "crate"
    write_crate(chain_of(study.root / "runs/tiny/caffe/scene.png"), crate)
    assert graph_of(crate)["./"]["name"].startswith("SYNTHETIC: scene.png")
    assert "not an observation" in graph_of(crate)["./"]["description"]


def download(study: RecordedProject) -> list[str]:
    """Let a job of the project download an archive; return its outputs."""
    (study.root / "workflow/scripts/download_caffe.py").write_text("")
    outputs = ["resources/caffe/data_raw.zip", "resources/caffe/data_raw.zip.json"]
    cfg = {"caffe.url": "https://example.org/data_raw.zip", "caffe.sha256": None}
    recorder = Recorder.begin(study.facts("download_caffe", [], outputs, cfg))
    (study.root / "resources/caffe").mkdir(parents=True)
    for name in outputs:
        (study.root / name).write_text("{}")
    recorder.finish()
    return outputs


def test_downloads_have_their_address_and_licence(study: RecordedProject, tmp_path: Path) -> None:
    outputs = download(study)
    crate = tmp_path / "crate"
    write_crate(chain_of(study.root / outputs[0]), crate)
    graph = graph_of(crate)
    assert graph[outputs[0]]["url"] == "https://example.org/data_raw.zip"
    assert "url" not in graph[outputs[1]]
    assert "https://spdx.org/licenses/CC-BY-4.0" in targets(graph["./"], "license")
    assert targets(graph[outputs[0]], "isBasedOn") == ["https://doi.org/10.1594/PANGAEA.940950"]


def test_a_missing_package_is_reported_in_one_line(
    study: RecordedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == "rocrate":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r'pip install "ssl4sar\[crate\]"') as caught:
        write_crate(study.chain(), tmp_path / "crate")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "crate").exists()


def test_a_folder_with_something_else_is_left_alone(study: RecordedProject, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not empty and holds no ro-crate-metadata"):
        write_crate(study.chain(), study.root)
    assert study.result.is_file()
    with pytest.raises(UserError, match="it is in an output of cut"):
        write_crate(study.chain(), study.root / "runs/tiny/pieces/crate")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file"):
        write_crate(study.chain(), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_older_crate_is_replaced(study: RecordedProject, crate: Path) -> None:
    (crate / "results/old.json").write_text("{}")
    summary = write_crate(study.chain(), crate)
    assert not (crate / "results/old.json").exists()
    assert summary.files == sum(path.is_file() for path in crate.rglob("*"))
    assert str(summary).endswith("; 1 described, not included")


def test_the_same_result_gives_the_same_crate(
    study: RecordedProject, crate: Path, tmp_path: Path
) -> None:
    write_crate(study.chain(), tmp_path / "again", published="2026-01-02")
    for name in ("ro-crate-metadata.json", "ro-crate-preview.html", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (crate / name).read_bytes()
