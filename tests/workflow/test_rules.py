"""What every rule must have, as Snakemake has read it: record, log, resources, report."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml
from loaded_rules import loaded_rules
from micro_study import PROJECT, micro

from ssl4sar.provenance.record import SUFFIX
from ssl4sar.workflow.study import open_study

SCRIPTS = PROJECT / "workflow" / "scripts"
CAPTIONS = PROJECT / "workflow" / "report"
#: Rules whose products come over the network, or stand for such; none of them is in the report.
RETRIEVAL = {
    "download_caffe",
    "fetch_weights",
    "fetch_scene",
    "fetch_orbit",
    "fetch_elevation_list",
    "fetch_elevation_tile",
    "fetch_geoid",
}
#: Categories of the report; the numbers sort them as data flow.
CATEGORIES = {
    "1 Acquisition",
    "2 Elevation",
    "3 Stack",
    "4 Dataset",
    "5 Pretraining",
    "6 Fine-tuning",
    "7 Evaluation",
    "8 Result",
}


#: Of a job that works on one network, or on one glacier.
WILDCARDS = SimpleNamespace(
    model="optsimmim", member="seed0", task="optsimmim", glacier="Kronebreen"
)


def plain(path: Any) -> str:
    """Return a path of a rule without the constraints of its wildcards."""
    return re.sub(r"\{(\w+),[^}]*\}", r"{\1}", str(path))


def test_every_script_has_a_rule_of_its_name_and_is_thin() -> None:
    scripts = {path.stem: path for path in SCRIPTS.glob("*.py")}
    found = {name: Path(rule.script).stem for name, rule in loaded_rules().items()}
    assert found == {name: name for name in scripts}
    for path in scripts.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60, path.name


def lacking(name: str) -> list[str]:
    """Return what a rule lacks."""
    rule, study = loaded_rules()[name], open_study(micro(), [], {}, PROJECT)
    params, outputs = dict(rule.params.items()), dict(rule.output.items())
    modules = params.get("modules", lambda _: ())(WILDCARDS)
    source, cfg = (
        value(WILDCARDS) if callable(value) else value
        for value in (params["source"], params["cfg"])
    )
    # Snakemake forbids both: a product of a shared cache has no time of its own.
    is_cached = bool(rule.cache.flag.value)
    environment = Path(rule.basedir) / str(rule.conda_env)
    record = plain(outputs.get("provenance", ""))
    folders = {plain(path).rpartition("/")[0] for path in rule.output}
    temporary = any("temp" in path.flags for path in rule.output)
    demands = {
        "a docstring": re.match(r"[A-Z].*\.", rule.docstring or "", re.DOTALL),
        "a log": rule.log,
        "a benchmark or a cache": bool(rule.benchmark) != is_cached,
        "mem_mb": "mem_mb" in rule.resources,
        "runtime": "runtime" in rule.resources,
        "an environment": environment.is_file(),
        # The profile switches the code trigger off, which is safe only with a digest in every rule.
        "its own digest": source == study.source(name, modules),
        "cfg": isinstance(cfg, dict),
        "a record": record.endswith(SUFFIX),
        # Records name paths from their own folder, and are looked for beside the file.
        "one folder": folders == {record.rpartition("/")[0]},
        "what is temporary": temporary == ("temporary" in params) or rule.name == "fetch_scene",
        # With several outputs, Snakemake tells entries of the cache apart by their names.
        "names of its outputs": not is_cached or len(outputs) == len(rule.output),
    }
    return [what for what, is_there in demands.items() if not is_there]


def test_every_rule_is_complete() -> None:
    assert {name: found for name in loaded_rules() if (found := lacking(name))} == {}


def test_the_shared_cache_serves_data_stages_alone() -> None:
    assert {name for name, rule in loaded_rules().items() if rule.cache.flag.value} == {
        "download_caffe",
        "download_ssl4sar",
        "render_caffe",
        "render_pairs",
        "resample_caffe",
    }


def test_downloads_run_where_snakemake_runs() -> None:
    local = set(loaded_rules()["finetune"].workflow._localrules)
    assert {"download_caffe", "download_ssl4sar", "fetch_weights"} <= local
    assert not local & {"render_caffe", "finetune", "predict", "evaluate_member"}


def test_the_default_profile_is_found_and_matches_the_digests() -> None:
    # Beside a Snakefile at the top, Snakemake looks for profiles/default only.
    link = PROJECT / "profiles"
    assert link.is_symlink()
    assert link.readlink() == Path("workflow/profiles")
    profile = yaml.safe_load((PROJECT / "workflow/profiles/default/config.yaml").read_text())
    assert profile["rerun-triggers"] == ["mtime", "params", "input", "software-env"]
    assert profile["rerun-incomplete"] is True
    assert "retries" not in profile


# The report --------------------------------------------------------------------------------------


def report_items() -> list[tuple[str, Any]]:
    """Return rules, and what the report says of each of their outputs in it."""
    return [
        (name, path.flags["report"])
        for name, rule in loaded_rules().items()
        for path in rule.output
        if "report" in path.flags
    ]


def test_every_rule_but_the_retrieval_is_in_the_report_with_category_labels_and_caption() -> None:
    items = report_items()
    assert set(loaded_rules()) - {name for name, _ in items} == RETRIEVAL
    assert {item.category for _, item in items} == CATEGORIES
    assert [name for name, item in items if not item.labels] == []
    used = {Path(item.caption.get_path_or_uri(secret_free=True)).name for _, item in items}
    assert {path.name for path in CAPTIONS.glob("*.rst")} == used | {"workflow.rst"}


@pytest.mark.parametrize("path", sorted(CAPTIONS.glob("*.rst")), ids=lambda p: p.stem)
def test_captions_name_only_what_there_is(path: Path) -> None:
    config = open_study(micro(), [], {}, PROJECT).as_config()
    rules = [name for name, item in report_items() if path.name in str(item.caption.get_filename())]
    cfg = dict(loaded_rules()[rules[0]].params.items())["cfg"] if rules else {}
    cfg = cfg(WILDCARDS) if callable(cfg) else cfg
    job = SimpleNamespace(wildcards=WILDCARDS, config=config, params=SimpleNamespace(cfg=cfg))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    text = environment.from_string(path.read_text(encoding="utf-8")).render(snakemake=job)
    assert "{{" not in text
    assert "None" not in text
    assert len(text.split()) > 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["snakefmt", "--check", "Snakefile", "workflow"], ["snakemake", "--lint"]],
    ids=["snakefmt", "lint"],
)
def test_format_and_lint_are_clean(command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:]], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
