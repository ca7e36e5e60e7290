"""What the documents promise: the two commands, links that lead somewhere, honest figures."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), PROJECT / "config/README.md"]


def marked_command(marker: str) -> str:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"<!-- {marker} -->\n```bash\n(.+)\n```", text)
    assert match, f"README lacks the {marker}"
    return match[1]


def test_the_two_commands_do_all_set_up() -> None:
    main, test = marked_command("main command"), marked_command("test command")
    for command in (main, test):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert main.endswith("results/caffe_mde.json")
    assert test.endswith(".venv/bin/pytest -n 2")


def test_continuous_integration_runs_the_test_command_as_written() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    extraction = next(line for line in script.splitlines() if line.startswith("command=$("))
    done = subprocess.run(
        ["bash", "-c", f'{extraction}; printf "%s" "$command"'],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == marked_command("test command")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_blocks_of_a_list_belong_to_it_on_the_site_too(path: Path) -> None:
    # GitHub takes two or three spaces; the Markdown of the site ends the list there.
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert re.findall(r"\n\n {1,3}\S.*", text) == []


def test_configurations_named_in_the_documents_exist() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    named = set(re.findall(r"config/\w+\.yaml", text))
    assert named
    assert [name for name in sorted(named) if not (PROJECT / name).is_file()] == []
