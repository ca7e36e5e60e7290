"""What every rule must have, read off the files themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
RULE_FILES = sorted((PROJECT / "workflow" / "rules").glob("*.smk"))


def rules() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in RULE_FILES:
        blocks = re.split(r"^rule (\w+):\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found.update(zip(blocks[1::2], blocks[2::2], strict=True))
    return found


RULES = rules()


def test_there_are_rules_and_one_script_each() -> None:
    scripts = {path.stem for path in (PROJECT / "workflow" / "scripts").glob("*.py")}
    assert set(RULES) == scripts
    assert len(RULES) >= 10


#: What every rule states.
PARTS = (
    r'    """[A-Z].*\.',
    r"    output:",
    r"    log:",
    # Snakemake forbids both: a product of a shared cache has no time of its own.
    r"    (benchmark:|cache: True)",
    r"    threads:",
    r"        mem_mb=STUDY\.mem_mb\(",
    r"        runtime=STUDY\.runtime\(",
    r"        cfg=(STUDY\.cfg\(|\{\})",
    r'    conda:\n        "\.\./\.\./envs/\w+\.yaml"',
)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_is_complete(name: str) -> None:
    lacking = [p for p in PARTS if not re.search(f"^{p}", RULES[name], flags=re.MULTILINE)]
    assert lacking == []


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_runs_its_script_with_its_own_digest(name: str) -> None:
    # The profile switches the code trigger off, which is safe only with a digest in every rule.
    assert f'source=STUDY.source("{name}")' in RULES[name]
    assert f'"../scripts/{name}.py"' in RULES[name]
    for resource in ("mem_mb", "runtime"):
        asked = rf'^        {resource}=STUDY\.{resource}\(\s*"{name}",\s'
        assert re.search(asked, RULES[name], flags=re.MULTILINE), resource
    assert not re.search(r"^    (shell|run|notebook|wrapper):", RULES[name], flags=re.MULTILINE)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_leaves_a_record_beside_its_outputs(name: str) -> None:
    outputs = RULES[name].split("    output:\n")[1].split("    log:\n")[0]
    paths = re.findall(r'"([^"\n]*/[^"\n]*)"', re.sub(r'caption="[^"]*"', "", outputs))
    records = [path for path in paths if path.endswith(".provenance.json")]
    assert len(records) == 1
    assert re.search(r"        provenance=(update\()?f?\"", outputs)
    # Records tell paths from their own folder, and are looked for beside the file.
    assert {path.rsplit("/", 1)[0] for path in paths} == {records[0].rsplit("/", 1)[0]}


def test_the_shared_cache_serves_data_stages_alone() -> None:
    cached = {name for name, text in RULES.items() if "    cache: True\n" in text}
    assert cached == {
        "download_caffe",
        "download_ssl4sar",
        "render_caffe",
        "render_pairs",
        "resample_caffe",
    }
    for name in cached:
        # With several outputs, Snakemake tells entries of the cache apart by these names.
        outputs = RULES[name].split("    output:\n")[1].split("    log:\n")[0]
        entries = [line for line in outputs.splitlines() if re.match(r" {8}[^ )]", line)]
        assert all(re.match(r"        \w+=", line) for line in entries)


@pytest.mark.parametrize("name", sorted(RULES))
def test_outputs_that_are_deleted_after_use_are_told_to_the_record(name: str) -> None:
    assert ("temp(" in RULES[name]) == ("temporary=" in RULES[name])


def test_the_default_profile_is_where_snakemake_looks_for_it() -> None:
    # Beside a Snakefile at the top, Snakemake looks for profiles/default only.
    link = PROJECT / "profiles"
    assert link.is_symlink()
    assert link.readlink() == Path("workflow/profiles")


def test_the_default_profile_matches_the_digests() -> None:
    profile = yaml.safe_load((PROJECT / "workflow/profiles/default/config.yaml").read_text())
    assert profile["rerun-triggers"] == ["mtime", "params", "input", "software-env"]
    assert profile["rerun-incomplete"] is True
    assert "retries" not in profile


def test_environment_files_exist_and_scripts_are_thin() -> None:
    for text in RULES.values():
        environment = re.search(r"envs/\w+\.yaml", text)
        assert environment is not None
        assert (PROJECT / environment.group()).is_file()
    for script in (PROJECT / "workflow" / "scripts").glob("*.py"):
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 60, script.name


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
