"""A result with its provenance as one folder to hand on: a Workflow Run RO-Crate.

The crate follows the Provenance Run Crate profile 0.5, which refines Workflow Run Crate, Process
Run Crate and Workflow RO-Crate (https://w3id.org/ro/wfrun). Everything has the same path in it as
in the project, so the records hold there, too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ssl4sar.config.keys import leaves
from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_yaml, read_bounded, read_json
from ssl4sar.provenance.chain import Chain
from ssl4sar.provenance.crate_data import BYTES_PER_MB, CrateData, Layout, reason_against
from ssl4sar.provenance.crate_graph import (
    METADATA_FILE,
    PROFILES,
    ROOT,
    CrateGraph,
    reference,
    references,
    rocrate_package,
)
from ssl4sar.provenance.crate_run import CONFIGURATION_PLACE, WORKFLOW, describe_run
from ssl4sar.provenance.record import JobRecord

#: Larger files and folders are described, not copied.
DEFAULT_LIMIT_MB: Final = 10.0
_RENDERING: Final = "render_caffe"
_DOWNLOAD: Final = "download_caffe"
_CAFFE: Final = "https://doi.org/10.1594/PANGAEA.940950"
_CAFFE_LICENSE: Final = "CC-BY-4.0"
#: Of the project, besides what ran: how to cite and use it.
_PAPERS: Final = ("CITATION.cff", "LICENSE", "pyproject.toml")
_README: Final = "README.md"
_SYNTHETIC_NOTE: Final = "SYNTHETIC scenes: not an observation, says nothing about a real glacier"


@dataclass(frozen=True)
class CrateSummary:
    """What was written.

    Attributes:
        folder: the crate.
        files: files in it.
        bytes: their size together.
        left_out: what is described but not in it, with the reason.
    """

    folder: Path
    files: int
    bytes: int
    left_out: Mapping[str, str]

    def __str__(self) -> str:
        """Return the summary in one line."""
        rest = f"; {len(self.left_out)} described, not included" if self.left_out else ""
        size_mb = self.bytes / BYTES_PER_MB
        return f"{self.folder}: RO-Crate of {self.files} files, {size_mb:.1f} MB{rest}"


def write_crate(
    chain: Chain,
    folder: str | Path,
    limit_mb: float = DEFAULT_LIMIT_MB,
    published: str | None = None,
) -> CrateSummary:
    """Write a result, what it came from and how it was made as an RO-Crate.

    Args:
        chain: the records of the result.
        folder: the crate; an older crate of that name is replaced.
        limit_mb: larger files and folders are described, not copied, megabytes (10^6 bytes).
        published: date that the crate bears, ISO 8601; today by default.

    Returns:
        What was written.

    Raises:
        UserError: the folder holds something else or is in one that a job wrote, the result is
            not what its record says, the Snakefile is missing, the package ``rocrate`` is not
            installed, or the disk is full.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (a link may name the place)
    rocrate_package()
    _refuse_other_folder(folder)
    _refuse_output_folder(folder, chain)
    graph = CrateGraph()
    outputs = frozenset(chain.root.path_of(output) for output in chain.root.record.outputs)
    data = CrateData(graph, Layout.of(chain), round(limit_mb * BYTES_PER_MB), outputs)
    place = _require_result(data, chain)
    _describe_root(graph, chain, place, published or datetime.now(UTC).date().isoformat())
    describe_run(graph, data, chain)
    for paper in (chain.root.project / name for name in _PAPERS):
        if paper.is_file():
            graph.add_file(paper.name, paper)
    _describe_source(graph, data, chain)
    _require_own_files(graph, data.layout)
    with tempfile.TemporaryDirectory() as scratch:
        readme = Path(scratch) / _README
        readme.write_text(_readme(graph, data), encoding="utf-8")
        graph.add_file(_README, readme, name="what is in this crate", about=reference(ROOT))
        with atomic_directory(folder) as temporary:
            graph.write(temporary)
    written = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in written)
    return CrateSummary(folder, len(written), size, dict(sorted(data.left_out.items())))


def _require_own_files(graph: CrateGraph, layout: Layout) -> None:
    """Refuse to hand on what is not of the workflow: the last gate, for everything copied."""
    for place, source in graph.copies.items():
        # A configuration from elsewhere is read before it is described.
        if place.startswith(CONFIGURATION_PLACE):
            continue
        against = reason_against(place, source, layout)
        if against is not None:
            raise UserError(
                source, f"it does not go into a crate: {against}", "replace it by a plain file"
            )


def _refuse_other_folder(folder: Path) -> None:
    if not folder.is_dir() or (folder / METADATA_FILE).is_file() or not any(folder.iterdir()):
        return
    raise UserError(
        folder,
        f"the folder is not empty and holds no {METADATA_FILE}",
        "name a new folder, or an older crate to replace",
    )


def _refuse_output_folder(folder: Path, chain: Chain) -> None:
    """Refuse a place where the crate would alter what a job wrote."""
    for node in chain.nodes:
        for output in node.record.outputs:
            if output.files is not None and folder.is_relative_to(node.path_of(output)):
                raise UserError(
                    folder, f"it is in an output of {node.record.job}", "name another folder"
                )


def _require_result(data: CrateData, chain: Chain) -> str:
    """Refuse a result that is not what its record says: the rest would belong to another."""
    path = chain.root.claim.output_path
    data.entity_of(chain.root, chain.root.claim.output)
    place = data.layout.place(path) or path.name
    if place in data.left_out:
        raise UserError(
            path,
            f"it does not go into a crate: {data.left_out[place]}",
            "audit it, and make it again",
        )
    return place


def _describe_root(graph: CrateGraph, chain: Chain, place: str, published: str) -> None:
    record = chain.root.record
    rules = {node.record.rule for node in chain.nodes}
    dataset = _dataset_block(chain)
    synthetic = _RENDERING in rules or bool(dataset.get("synthetic"))
    note = str(dataset.get("note", _SYNTHETIC_NOTE if synthetic else ""))
    citation = _citation(chain)
    licenses = list(_describe_licenses(graph, citation, downloaded=_DOWNLOAD in rules))
    start = "SYNTHETIC: " if synthetic else ""
    for identifier, (name, version) in PROFILES.items():
        graph.add(identifier, "CreativeWork", name=name, version=version)
    text = (
        f"{place} of the study {record.study}, made on {record.ended[:10]} by ssl4sar "
        f"{record.versions.get('ssl4sar', '')}, with the records of the {len(chain.nodes)} jobs "
        "behind it, their code and configuration, and the data that are small enough."
    )
    if chain.gaps:
        unknown = {gap.node.path_of(gap.entry) for gap in chain.gaps}
        text += f" The chain is broken: {len(unknown)} inputs have no usable record."
    graph.add(
        ROOT,
        "Dataset",
        name=f"{start}{Path(place).name} of the study {record.study}",
        description=f"{note}. {text}" if note else text,
        datePublished=published,
        conformsTo=references(PROFILES),
        author=references(_describe_authors(graph, citation)),
        license=references(licenses),
        mainEntity=reference(WORKFLOW),
        keywords=["SAR", "calving front", "glacier", "Snakemake", "provenance"],
    )


def _citation(chain: Chain) -> Mapping[str, Any]:
    """Read how the project wants to be cited; empty where it does not say."""
    try:
        content = parse_yaml(read_bounded(chain.root.project / "CITATION.cff"))
    except (OSError, ForeignTextError):
        return {}
    return content if isinstance(content, dict) else {}


def _describe_authors(graph: CrateGraph, citation: Mapping[str, Any]) -> Iterator[str]:
    """Describe who wrote the workflow: who ran it is in no record."""
    page = citation.get("repository-code") or citation.get("url")
    for number, author in enumerate(citation.get("authors", []), start=1):
        if not isinstance(author, dict):
            continue
        person = " ".join(
            str(author[part]) for part in ("given-names", "family-names") if part in author
        )
        kind = "Person" if person else "Organization"
        name = person or str(author.get("name", "unknown"))
        link = None if person or not page else reference(str(page))
        yield graph.add(f"#author/{number}", kind, name=name, url=link)


def _describe_licenses(
    graph: CrateGraph, citation: Mapping[str, Any], downloaded: bool
) -> Iterator[str]:
    license_name = citation.get("license")
    if isinstance(license_name, str):
        yield _describe_license(graph, license_name, "Licence of the workflow.")
    else:
        yield graph.add(
            "#license",
            "CreativeWork",
            name="not stated",
            description="The project names no licence: ask its authors before you use this.",
        )
    if downloaded:
        text = "Licence of the CaFFe scenes, and so of pictures that show them."
        yield _describe_license(graph, _CAFFE_LICENSE, text)


def _describe_license(graph: CrateGraph, name: str, text: str) -> str:
    return graph.add(
        f"https://spdx.org/licenses/{name}", "CreativeWork", name=name, description=text
    )


def _describe_source(graph: CrateGraph, data: CrateData, chain: Chain) -> None:
    """Say of downloaded files where they came from."""
    for node in chain.nodes:
        address = _address(node.record)
        for output in node.record.outputs:
            # What is written beside a download is a note about it.
            if address is None or output.path.endswith(".json"):
                continue
            entity = graph.entities[data.entity_of(node, output)]
            entity["url"] = address
            if node.record.rule == _DOWNLOAD:
                entity["isBasedOn"] = reference(_describe_caffe(graph))


def _address(record: JobRecord) -> str | None:
    """Return where a job downloaded from; None for the jobs that did not."""
    for key, value in leaves(record.cfg).items():
        if key.endswith(".url") and isinstance(value, str):
            return value
    return None


def _describe_caffe(graph: CrateGraph) -> str:
    return graph.add(
        _CAFFE,
        "CreativeWork",
        name="CaFFe (CAlving Fronts and where to Find thEm)",
        license=reference(f"https://spdx.org/licenses/{_CAFFE_LICENSE}"),
        url=reference(_CAFFE),
    )


def _dataset_block(chain: Chain) -> Mapping[str, Any]:
    """Return what a result says of its scenes; empty where it says nothing."""
    for output in chain.root.record.outputs:
        path = chain.root.path_of(output)
        if output.files is not None or path.suffix != ".json":
            continue
        try:
            content = read_json(path)
        except (OSError, ValueError):
            continue
        dataset = content.get("dataset") if isinstance(content, dict) else None
        if isinstance(dataset, dict):
            return dataset
    return {}


def _readme(graph: CrateGraph, data: CrateData) -> str:
    root = graph.entities[ROOT]
    left_out = "".join(f"* `{name}`: {reason}\n" for name, reason in sorted(data.left_out.items()))
    described = f"\n## Described, not included\n\n{left_out}" if left_out else ""
    return (
        f"# {root['name']}\n\n{root['description']}\n\n"
        "Everything has its path of the project. `ro-crate-metadata.json` describes every "
        "file and every job (RO-Crate 1.1, Provenance Run Crate 0.5), `ro-crate-preview.html` "
        "shows that to people, and each `*.provenance.json` is the record of a job, as it was "
        "written. With ssl4sar installed, `ssl4sar audit FILE` in this folder hashes all of it "
        f"again.\n{described}"
    )
