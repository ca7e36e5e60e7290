"""The direction of imports, the purity of the science, the shape of the house."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SOURCE = PROJECT / "src" / "ssl4sar"
ORDER = [
    "core",
    "config",
    "geometry",
    "synthetic",
    "acquire",
    "sar",
    "dataset",
    "stack",
    "metrics",
    "models",
    "predict",
    "train",
    "evaluate",
    "report",
    "provenance",
    "workflow",
    "commands",
]
MODULES = sorted(SOURCE.rglob("*.py"))


def first_party_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used here"
            names.add(node.module or "")
    return {name for name in names if name.split(".")[0] == "ssl4sar"}


def test_every_package_has_a_place() -> None:
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_to_the_left(package: str) -> None:
    # cli.py and __init__.py stand above the packages.
    modules = sorted((SOURCE / package).rglob("*.py"))
    assert modules
    allowed = ORDER[: ORDER.index(package) + 1]
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules
        for name in sorted(first_party_imports(path) - {"ssl4sar", "ssl4sar.version"})
        if name.split(".")[1] not in allowed
    ]
    assert wrong == []


def test_the_folders_of_acquire_do_not_import_each_other_in_a_circle() -> None:
    # A module beside the folders counts as one of its own.
    room = SOURCE / "acquire"
    arrows: dict[str, set[str]] = {}
    for path in sorted(room.rglob("*.py")):
        own = path.relative_to(room).with_suffix("").parts[0]
        imported = {name.split(".")[2] for name in first_party_imports(path) if "acquire." in name}
        arrows[own] = arrows.get(own, set()) | imported - {own}
    while arrows:
        ends = {name for name, targets in arrows.items() if not targets & set(arrows)}
        assert ends, f"a circle of imports is among {sorted(arrows)}"
        arrows = {name: targets for name, targets in arrows.items() if name not in ends}


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("__init__.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_packages_state_their_purpose_and_import_nothing(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    assert ast.get_docstring(tree), f"{path} lacks a docstring"
    assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))


@pytest.mark.slow
def test_the_science_needs_neither_workflow_nor_geospatial_libraries() -> None:
    modules = [
        ".".join(("ssl4sar", *path.relative_to(SOURCE).with_suffix("").parts))
        for path in MODULES
        if path.name != "__init__.py" and path.relative_to(SOURCE).parts[0] != "workflow"
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "banned = {'snakemake', 'rasterio', 'xarray', 'dask', 'pyroSAR', 'osgeo', 'sentinelsat'}\n"
        "print(sorted(banned & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


#: Parsers of what strangers wrote; they have no limits of their own.
RAW_PARSERS = {
    *(f"json.{name}" for name in ("load", "loads", "JSONDecoder")),
    *(
        f"yaml.{name}"
        for name in ("load", "load_all", "safe_load", "full_load", "unsafe_load", "parse")
    ),
    *(
        f"ElementTree.{name}"
        for name in ("fromstring", "parse", "iterparse", "XML", "XMLParser", "XMLPullParser")
    ),
    "expat.ParserCreate",
    "Image.open",
    "PngImagePlugin.PngImageFile",
    "rasterio.open",
    "model_validate_json",
    "validate_json",
}
#: Where they stand, and why that is safe.
RAW_PARSERS_ALLOWED = {
    "core/foreign.py": "the one bounded reader",
    "core/gray_png.py": "the one reader of PNG, with limits of its own",
    "core/raster.py": "the one reader of rasters, which compares header and file",
    "models/checkpoint.py": "a round trip of what this process wrote",
    "acquire/safe/decoding.py": "streams through expat and keeps nothing",
}


def raw_parsers(path: Path) -> set[str]:
    """Names of parsers without limits that a module uses, also under another name."""
    tree = ast.parse(path.read_bytes())
    own = {name.split(".")[0] for name in RAW_PARSERS}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            found |= {f"{owner}.{node.attr}", node.attr} & RAW_PARSERS
        elif isinstance(node, ast.ImportFrom):
            package = (node.module or "").split(".")[-1]
            found |= {f"{package}.{alias.name}" for alias in node.names} & RAW_PARSERS
        if isinstance(node, ast.Import | ast.ImportFrom):
            # Under another name a parser would not be seen.
            renamed = [alias for alias in node.names if alias.name.split(".")[-1] in own]
            assert all(a.asname in (None, a.name.split(".")[-1]) for a in renamed), path
    return found


def test_strangers_texts_are_parsed_within_limits_in_one_place() -> None:
    using = {path.relative_to(SOURCE).as_posix() for path in MODULES if raw_parsers(path)}
    scripts = [path for path in (PROJECT / "workflow/scripts").glob("*.py") if raw_parsers(path)]
    assert using == set(RAW_PARSERS_ALLOWED)
    assert scripts == []


def test_requests_are_made_and_addresses_read_in_one_place() -> None:
    """A second reader of addresses, or a session without its guards, is how secrets get out."""
    sessions = re.compile(
        r"requests\.(Session\(|get\(|post\(|head\(|request\()|urlopen\(|HTTPAdapter\("
    )
    readers = re.compile(r"\b(urlsplit|urlparse|urljoin|parse_url)\b")
    allowed = {
        "sessions": {"acquire/network/exchange.py"},
        "readers": {"core/address.py", "acquire/network/exchange.py"},
    }
    found: dict[str, set[str]] = {"sessions": set(), "readers": set()}
    for path in MODULES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(SOURCE).as_posix()
        found["sessions"] |= {name} if sessions.search(text) else set()
        found["readers"] |= {name} if readers.search(text) else set()
    assert found == allowed
