"""The jobs of a chain as a run of a workflow, in the terms of Provenance Run Crate 0.5.

https://w3id.org/ro/wfrun/provenance/0.5: the workflow (``Snakefile``) has steps (rules) that use
tools (scripts). The run of a tool is a ``CreateAction`` with what it read and wrote; the run of a
step is a ``ControlAction`` upon it; the engine (Snakemake) ran them all in an ``OrganizeAction``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from ssl4sar.config.keys import leaves
from ssl4sar.config.loading import SHORTCUTS, read_config
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.provenance.chain import Chain, Node, external_inputs
from ssl4sar.provenance.crate_data import CrateData
from ssl4sar.provenance.crate_graph import ROOT, CrateGraph, reference, references
from ssl4sar.provenance.record import SUFFIX, JobRecord, path_from

RUN: Final = "#run"
WORKFLOW: Final = "Snakefile"
#: Where a configuration is in a crate that was not in the folder ``config`` of the project.
CONFIGURATION_PLACE: Final = "configuration/"
_RULES: Final = "workflow/rules"
_COMPLETED: Final = "http://schema.org/CompletedActionStatus"
_LANGUAGE: Final = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_WORKFLOW_TYPE: Final = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_PARAMETER_TYPE: Final = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
_PYTHON: Final = "https://www.python.org/"
_SNAKEMAKE: Final = "https://snakemake.github.io/"


@dataclass
class _Parameters:
    """Configuration keys and their values, each described once for all jobs that read it."""

    graph: CrateGraph
    _values: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def value(self, key: str, value: Any) -> tuple[str, str]:
        """Describe a value.

        Returns:
            Identifiers of the parameter and of the value.
        """
        parameter = f"#parameter/{quote(key)}"
        text = _text_of(value)
        known = self._values[key]
        if text not in known:
            number = "" if not known else f"/{len(known) + 1}"
            known[text] = f"#value/{quote(key)}{number}"
            self.graph.add(
                known[text],
                "PropertyValue",
                name=key,
                value=text,
                exampleOfWork=reference(parameter),
            )
            if parameter not in self.graph.entities:
                self.graph.add(
                    parameter,
                    "FormalParameter",
                    name=key,
                    additionalType=_type_of(value),
                    conformsTo=reference(_PARAMETER_TYPE),
                )
            self.graph.append(parameter, "workExample", known[text])
        return parameter, known[text]

    def data(self, name: str, identifier: str) -> str:
        """Describe what a file or folder is to the workflow; returns the parameter."""
        parameter = f"#parameter/{quote(name)}"
        kind = "Dataset" if self.graph.entities[identifier]["@type"] == "Dataset" else "File"
        if parameter not in self.graph.entities:
            self.graph.add(
                parameter,
                "FormalParameter",
                name=name,
                additionalType=kind,
                conformsTo=reference(_PARAMETER_TYPE),
            )
        self.graph.append(parameter, "workExample", identifier)
        self.graph.append(identifier, "exampleOfWork", parameter)
        return parameter


@dataclass
class _Job:
    """A described job.

    Attributes:
        node: its place in the chain.
        action: its ``CreateAction``.
        tool: its script.
        parameters: configuration keys it read.
        values: what they were.
        software: what it ran with.
    """

    node: Node
    action: str
    tool: str
    parameters: list[str]
    values: list[str]
    software: list[str]


def describe_run(graph: CrateGraph, data: CrateData, chain: Chain) -> None:
    """Describe workflow, engine, steps, tools and jobs; the root of the crate names them.

    Args:
        graph: takes the entities; its root is described already.
        data: describes what jobs read and wrote.
        chain: the records.

    Raises:
        UserError: the project has no ``Snakefile``.
    """
    parameters = _Parameters(graph)
    # What was made first is described first.
    nodes = reversed(chain.nodes)
    jobs = [_describe_job(graph, data, parameters, node) for node in nodes]
    configuration = _describe_configuration(graph, chain)
    _describe_workflow(graph, chain)
    _describe_tools(graph, data, jobs)
    _describe_steps(graph, jobs)
    _describe_whole(graph, data, parameters, chain, jobs, configuration)
    graph.append(ROOT, "mentions", RUN, *(job.action for job in jobs))


def _describe_job(graph: CrateGraph, data: CrateData, parameters: _Parameters, node: Node) -> _Job:
    record = node.record
    name = _job_name(data, node)
    action = f"#job/{quote(name)}"
    read = [data.entity_of(node, entry) for entry in record.inputs]
    wrote = [data.entity_of(node, entry) for entry in record.outputs]
    settings = [parameters.value(key, value) for key, value in _settings(record)]
    tool = data.source_file(node.project, record.code.script, _script_hash(record))
    graph.add(
        action,
        "CreateAction",
        name=record.job,
        description=_surroundings(record),
        instrument=reference(tool),
        startTime=record.started,
        endTime=record.ended,
        actionStatus=_COMPLETED,
        object=references([*read, *(value for _, value in settings)]),
        result=references(wrote),
        resourceUsage=references([_describe_duration(graph, name, record)]),
        subjectOf=references([_describe_record(graph, data, node, action)]),
    )
    return _Job(
        node,
        action,
        tool,
        parameters=[parameter for parameter, _ in settings],
        values=[value for _, value in settings],
        software=list(_describe_software(graph, record)),
    )


def _job_name(data: CrateData, node: Node) -> str:
    place = data.layout.place(node.claim.path) or node.claim.path.name
    return place.removesuffix(SUFFIX)


def _settings(record: JobRecord) -> Iterator[tuple[str, Any]]:
    """Yield everything that a job was told: configuration, other parameters, wildcards."""
    yield from leaves(record.cfg).items()
    yield from leaves(record.parameters).items()
    for key, value in sorted(record.wildcards.items()):
        yield f"wildcards.{key}", value


def _script_hash(record: JobRecord) -> str:
    return record.code.files[record.code.script]


def _surroundings(record: JobRecord) -> str:
    machine = record.machine
    devices = ", ".join(machine.get("devices", []))
    text = (
        f"Rule {record.rule} on {machine.get('host')} ({machine.get('system')}, {devices}; "
        f"threads: {record.threads})"
    )
    if "slurm_job_id" in record.cluster:
        text += f", SLURM job {record.cluster['slurm_job_id']}"
    return text + "."


def _describe_duration(graph: CrateGraph, name: str, record: JobRecord) -> str:
    # The clock of the host may go backwards; this duration does not depend on it.
    return graph.add(
        f"#duration/{quote(name)}",
        "PropertyValue",
        name="duration",
        propertyID="https://schema.org/duration",
        value=str(record.duration_s),
        unitCode="SEC",
        unitText="second",
    )


def _describe_record(graph: CrateGraph, data: CrateData, node: Node, action: str) -> str:
    place = data.layout.place(node.claim.path) or node.claim.path.name
    return graph.add_file(
        place,
        node.claim.path,
        description=f"Record of the job {node.record.job}.",
        identifier=f"sha256:{node.record.id}",
        about=reference(action),
    )


def _describe_software(graph: CrateGraph, record: JobRecord) -> Iterator[str]:
    for name, version in record.versions.items():
        # The package itself is in the crate, file by file.
        if name != "ssl4sar":
            yield _describe_program(graph, name, version)


def _describe_program(graph: CrateGraph, name: str, version: str) -> str:
    page = f"https://pypi.org/project/{name}/{quote(version)}/"
    if name == "python":
        page = f"{_PYTHON}downloads/release/python-{version.replace('.', '')}/"
    return graph.add(
        page, "SoftwareApplication", name=name, softwareVersion=version, url=reference(page)
    )


def _describe_configuration(graph: CrateGraph, chain: Chain) -> str | None:
    """Describe the configuration file, if it is still there and is one.

    It is the one file without a hash in the record, so a record could name any file for it.
    """
    told = chain.root.record.configuration.file
    path = path_from(chain.root.project, told)
    if not path.is_file() or not _is_configuration(path):
        return None
    parts = PurePosixPath(told).parts
    inside = parts[:1] == ("config",) and ".." not in parts
    place = told if inside else f"{CONFIGURATION_PLACE}{path.name}"
    return graph.add_file(
        place,
        path,
        description="Configuration file as it was when this crate was written. The values that "
        "the jobs read are in their records and among the objects of their actions.",
    )


def _is_configuration(path: Path) -> bool:
    """Return whether a file has the keys of a configuration, and no others."""
    try:
        keys = read_config(path).keys()
    except UserError:
        return False
    return keys <= {*StudyConfig.model_fields, *SHORTCUTS}


def _describe_workflow(graph: CrateGraph, chain: Chain) -> None:
    project, record = chain.root.project, chain.root.record
    snakefile = project / WORKFLOW
    if not snakefile.is_file():
        raise UserError(
            snakefile, "is missing, so the workflow cannot be described", "restore the project"
        )
    for path in sorted((project / _RULES).glob("*.smk")):
        graph.add_file(
            f"{_RULES}/{path.name}", path, description="Rules of the workflow, included by it."
        )
    root = graph.entities[ROOT]
    graph.add(
        _LANGUAGE,
        "ComputerLanguage",
        name="Snakemake",
        identifier=reference("https://doi.org/10.12688/f1000research.29032"),
        url=reference(_SNAKEMAKE),
    )
    graph.add_file(
        WORKFLOW,
        snakefile,
        ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        name="ssl4sar: calving fronts from SAR images",
        description=_workflow_text(record),
        programmingLanguage=reference(_LANGUAGE),
        conformsTo=reference(_WORKFLOW_TYPE),
        version=record.code.commit or record.versions.get("ssl4sar"),
        author=root.get("author"),
        license=root.get("license"),
    )


def _workflow_text(record: JobRecord) -> str:
    text = "Entry of the workflow, as it was when this crate was written."
    if record.code.commit is None:
        return f"{text} The result was not made in a repository, so no commit is known."
    changed = "with uncommitted changes" if record.code.changed else "without changes"
    return f"{text} The result was made by commit {record.code.commit} {changed}."


def _describe_tools(graph: CrateGraph, data: CrateData, jobs: list[_Job]) -> None:
    for tool, users in _grouped(jobs, "tool").items():
        record, project = users[0].node.record, users[0].node.project
        modules = [
            data.source_file(project, file, sha256)
            for file, sha256 in record.code.files.items()
            if file != record.code.script
        ]
        told = graph.entities[tool].get("description", "")
        text = (
            f"Script of the rule {record.rule}. The identifier is a SHA-256 over it and the "
            f"modules it can reach, which are its parts. {told}"
        )
        graph.entities[tool] |= {
            "@type": ["File", "SoftwareSourceCode"],
            "version": record.versions.get("ssl4sar", record.code.digest),
            "identifier": f"sha256:{record.code.digest}",
            "description": text.strip(),
            "programmingLanguage": reference(_describe_python(graph)),
            "hasPart": references(modules),
            "input": references(each for user in users for each in user.parameters),
            "softwareRequirements": references(each for user in users for each in user.software),
        }
        graph.append(WORKFLOW, "hasPart", tool)


def _describe_python(graph: CrateGraph) -> str:
    return graph.add("#language/python", "ComputerLanguage", name="Python", url=reference(_PYTHON))


def _describe_steps(graph: CrateGraph, jobs: list[_Job]) -> None:
    rules: dict[str, list[_Job]] = defaultdict(list)
    for job in jobs:
        rules[job.node.record.rule].append(job)
    for position, (rule, users) in enumerate(rules.items(), start=1):
        step = graph.add(
            f"{WORKFLOW}#{quote(rule)}",
            "HowToStep",
            name=rule,
            position=str(position),
            workExample=references(user.tool for user in users),
        )
        graph.append(WORKFLOW, "step", step)
        for user in users:
            graph.add(
                _control(user),
                "ControlAction",
                name=f"step {user.node.record.job}",
                instrument=reference(step),
                object=reference(user.action),
            )


def _control(job: _Job) -> str:
    return job.action.replace("#job/", "#step/", 1)


def _describe_whole(
    graph: CrateGraph,
    data: CrateData,
    parameters: _Parameters,
    chain: Chain,
    jobs: list[_Job],
    configuration: str | None,
) -> None:
    """Describe the run of the whole workflow and of the engine."""
    record = chain.root.record
    read = [data.entity_of(node, entry) for node, entry in external_inputs(chain)]
    if configuration is not None:
        parameters.data("configuration file", configuration)
        read.append(configuration)
    for identifier in dict.fromkeys(read):
        if identifier != configuration:
            parameters.data(f"input {graph.entities[identifier]['name']}", identifier)
    values = [_overridden(parameters, key, value) for key, value in _overrides(record).items()]
    wrote = [data.entity_of(chain.root, entry) for entry in record.outputs]
    times = {
        "startTime": min(job.node.record.started for job in jobs),
        "endTime": max(job.node.record.ended for job in jobs),
    }
    graph.append(WORKFLOW, "output", *(_output(graph, parameters, each) for each in wrote))
    graph.append(WORKFLOW, "input", *_asked(graph, jobs, read, values))
    graph.add(
        RUN,
        "CreateAction",
        name=f"run of the study {record.study}",
        description=f"{len(jobs)} jobs of the workflow, from what came from outside to the result.",
        instrument=reference(WORKFLOW),
        actionStatus=_COMPLETED,
        object=references([*read, *values, *(each for job in jobs for each in job.values)]),
        result=references(wrote),
        **times,
    )
    graph.add(
        "#engine",
        "OrganizeAction",
        name=f"Snakemake {record.versions.get('snakemake', '')}".strip(),
        instrument=reference(
            _describe_program(graph, "snakemake", record.versions.get("snakemake", "unknown"))
        ),
        object=references(_control(job) for job in jobs),
        result=reference(RUN),
        **times,
    )


def _overrides(record: JobRecord) -> Mapping[str, Any]:
    return leaves(record.configuration.overrides)


def _overridden(parameters: _Parameters, key: str, value: Any) -> str:
    return parameters.value(f"--config {key}", value)[1]


def _output(graph: CrateGraph, parameters: _Parameters, identifier: str) -> str:
    return parameters.data(f"output {graph.entities[identifier]['name']}", identifier)


def _asked(
    graph: CrateGraph, jobs: list[_Job], read: list[str], values: list[str]
) -> Iterator[str]:
    """Yield the parameters of the whole workflow."""
    for identifier in [*read, *values]:
        told = graph.entities[identifier]["exampleOfWork"]
        yield from (each["@id"] for each in (told if isinstance(told, list) else [told]))
    for job in jobs:
        yield from job.parameters


def _grouped(jobs: list[_Job], attribute: str) -> dict[str, list[_Job]]:
    groups: dict[str, list[_Job]] = defaultdict(list)
    for job in jobs:
        groups[getattr(job, attribute)].append(job)
    return groups


def _text_of(value: Any) -> str:
    """Return a value as text."""
    shown = _without_places(value)
    return shown if isinstance(shown, str) else json.dumps(shown, sort_keys=True)


def _without_places(value: Any) -> Any:
    """Return a value with only the names of absolute paths: their folders may name people."""
    if isinstance(value, list | tuple):
        return [_without_places(each) for each in value]
    if isinstance(value, str) and PurePosixPath(value).is_absolute():
        return f".../{PurePosixPath(value).name}"
    return value


def _type_of(value: Any) -> str:
    """Return the type of a value in the vocabulary of schema.org."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, float):
        return "Float"
    return "Text" if isinstance(value, str) else "PropertyValue"
