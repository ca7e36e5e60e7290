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


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize(
    "part",
    [
        r'    """[A-Z].*\.',
        r"    output:",
        r"    log:",
        r"    benchmark:",
        r"    threads:",
        r"        mem_mb=STUDY\.mem_mb\(",
        r"        runtime=STUDY\.runtime\(",
        r"        cfg=(STUDY\.cfg\(|\{\})",
        r'    conda:\n        "\.\./\.\./envs/\w+\.yaml"',
    ],
)
def test_every_rule_is_complete(name: str, part: str) -> None:
    assert re.search(f"^{part}", RULES[name], flags=re.MULTILINE), f"{name} lacks {part}"


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_runs_its_script_with_its_own_digest(name: str) -> None:
    # The profile switches the code trigger off, which is safe only with a digest in every rule.
    assert f'source=STUDY.source("{name}")' in RULES[name]
    assert f'"../scripts/{name}.py"' in RULES[name]
    for resource in ("mem_mb", "runtime"):
        assert f'        {resource}=STUDY.{resource}("{name}", ' in RULES[name]
    assert not re.search(r"^    (shell|run|notebook|wrapper):", RULES[name], flags=re.MULTILINE)


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
