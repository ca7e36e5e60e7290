"""The report of a run: every stage is in it, with a category, labels and a caption that renders."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from ssl4sar.workflow.study import open_study

PROJECT = Path(__file__).resolve().parents[2]
RETRIEVAL = {
    "download_caffe",
    "fetch_weights",
    "fetch_scene",
    "fetch_orbit",
    "fetch_elevation_list",
    "fetch_elevation_tile",
    "fetch_geoid",
}
#: What the category of a rule's items begins with; the numbers sort them as data flow.
CATEGORIES = {
    "acquire": {"1 Data"},
    "sentinel": {"1 Data"},
    "dataset": {"1 Data"},
    "pretrain": {"2 Training"},
    "train": {"2 Training"},
    "predict": {"3 Prediction"},
    "evaluate": {"2 Training", "4 Evaluation", "5 Result"},
}


def report_items() -> list[tuple[str, str, str]]:
    """Return stage, rule and text of every report item; a rule without one has an empty text."""
    found = []
    for path in sorted((PROJECT / "workflow/rules").glob("*.smk")):
        blocks = re.split(r"^rule (\w+):\n", path.read_text("utf-8"), flags=re.MULTILINE)
        for rule, block in zip(blocks[1::2], blocks[2::2], strict=True):
            items = re.findall(r"=report\(\n(.*?)\n        \),$", block, re.MULTILINE | re.DOTALL)
            found += [(path.stem, rule, item) for item in items or [""]]
    return found


ITEMS = report_items()


def test_every_rule_but_the_retrieval_is_in_the_report() -> None:
    assert {rule for _, rule, item in ITEMS if not item} == RETRIEVAL
    assert len(ITEMS) > 12


@pytest.mark.parametrize(("stage", "rule", "item"), [entry for entry in ITEMS if entry[2]])
def test_every_item_has_category_labels_and_caption(stage: str, rule: str, item: str) -> None:
    category = re.search(r'category="(.+)"', item)
    assert category is not None, rule
    assert category[1] in CATEGORIES[stage]
    assert re.search(r'labels=\{\s*"\w+": "[^"]+"', item), f"{rule} lacks labels"
    caption = re.search(r'caption="\.\./report/(\w+\.rst)"', item)
    assert caption is not None, f"{rule} lacks a caption"
    assert (PROJECT / "workflow/report" / caption[1]).is_file()


def test_no_caption_is_left_over() -> None:
    used = set(re.findall(r"report/(\w+\.rst)", "".join(item for _, _, item in ITEMS)))
    there = {path.name for path in (PROJECT / "workflow/report").iterdir()}
    assert there == used | {"workflow.rst"}


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "workflow/report").glob("*.rst")), ids=lambda p: p.stem
)
def test_captions_name_only_what_there_is(path: Path) -> None:
    study = open_study({"name": "x", "caffe": {"spacing_m": 60}}, [], {}, PROJECT)
    plain = study.config.model_dump(mode="json")
    rule = next((rule for _, rule, item in ITEMS if f"/{path.name}" in item), None)
    cfg = cfg_of(rule, study) if rule else {}
    wildcards = SimpleNamespace(seed=7, variant="optsimmim", task="optsimmim", glacier="Kronebreen")
    job = SimpleNamespace(wildcards=wildcards, config=plain, params=SimpleNamespace(cfg=cfg))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    text = environment.from_string(path.read_text(encoding="utf-8")).render(snakemake=job)
    assert "{{" not in text
    assert "None" not in text
    assert len(text.split()) > 8


def cfg_of(rule: str, study) -> dict[str, object]:
    text = "".join(
        path.read_text(encoding="utf-8") for path in (PROJECT / "workflow/rules").glob("*.smk")
    )
    block = text.split(f"rule {rule}:\n")[1].split("\nrule ")[0]
    keys = re.search(r"cfg=STUDY\.cfg\((.*?)\),\n", block, re.DOTALL)
    return study.cfg(*re.findall(r'"([\w.]+)"', keys[1])) if keys else {}


@pytest.fixture(scope="module")
def report_page(finished_whole, tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("report") / "report.html"
    done = finished_whole.snakemake(
        "--configfile",
        finished_whole.config,
        "--report",
        str(page),
        "--",
        finished_whole.target,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return page


@pytest.mark.slow
def test_the_report_holds_every_category_and_no_address_to_load(report_page: Path) -> None:
    text = report_page.read_text(encoding="utf-8")
    for category in set().union(*CATEGORIES.values()):
        assert category in text
    assert "SYNTHETIC" in text
    # It opens offline: nothing is loaded from elsewhere.
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)"', text)
    assert loaded == []


@pytest.mark.slow
def test_the_report_opens_in_a_browser(report_page: Path, tmp_path: Path) -> None:
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None
    )
    if browser is None:
        pytest.skip("no Chromium here")
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            report_page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for category in set().union(*CATEGORIES.values()):
        assert category in done.stdout
    assert "micro" in done.stdout
