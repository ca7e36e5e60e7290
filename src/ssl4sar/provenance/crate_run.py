"""The jobs of a chain as a run of a workflow, in the terms of Provenance Run Crate 0.5.

https://w3id.org/ro/wfrun/provenance/0.5: the workflow (``Snakefile``) has steps (rules) that use
tools (scripts). The run of a tool is a ``CreateAction`` with what it read and wrote; the run of a
step is a ``ControlAction`` upon it; the engine (Snakemake) ran them all in an ``OrganizeAction``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
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

WORKFLOW: Final = "Snakefile"
#: Where a configuration is in a crate that was not in the folder ``config`` of the project.
CONFIGURATION_PLACE: Final = "configuration/"
_RUN: Final = "#run"
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

    def value(self, key: str, value: Any) -> str:
        """Describe a value and the parameter that it is an example of; returns the value."""
        text = _text_of(value)
        known = self._values[key]
        if text not in known:
            number = "" if not known else f"/{len(known) + 1}"
            parameter = self._parameter(key, _type_of(value))
            known[text] = self.graph.add(
                f"#value/{quote(key)}{number}",
                "PropertyValue",
                name=key,
                value=text,
                exampleOfWork=references([parameter]),
            )
            self.graph.append(parameter, "workExample", known[text])
        return known[text]

    def data(self, name: str, identifier: str) -> str:
        """Describe what a file or folder is to the workflow; returns the parameter."""
        is_folder = self.graph.entities[identifier]["@type"] == "Dataset"
        parameter = self._parameter(name, "Dataset" if is_folder else "File")
        self.graph.append(parameter, "workExample", identifier)
        self.graph.append(identifier, "exampleOfWork", parameter)
        return parameter

    def of(self, identifiers: Iterable[str]) -> list[str]:
        """Return the parameters that values, files and folders are examples of."""
        examples = (self.graph.entities[each]["exampleOfWork"] for each in identifiers)
        return [each["@id"] for parameters in examples for each in parameters]

    def _parameter(self, name: str, kind: str) -> str:
        parameter = f"#parameter/{quote(name)}"
        if parameter not in self.graph.entities:
            conforms = reference(_PARAMETER_TYPE)
            self.graph.add(
                parameter, "FormalParameter", name=name, additionalType=kind, conformsTo=conforms
            )
        return parameter


@dataclass
class _Job:
    """A described job."""

    node: Node
    action: str
    tool: str
    values: list[str]

    @property
    def control(self) -> str:
        """Its ``ControlAction``."""
        return self.action.replace("#job/", "#step/", 1)


def describe_run(graph: CrateGraph, data: CrateData, chain: Chain) -> None:
    """Describe workflow, engine, steps, tools and jobs; the root of the crate names them.

    Args:
        graph: takes the entities; its root is described already.
        data: describes what jobs read and wrote.
        chain: the records.

    Raises:
        UserError: the project has no ``Snakefile``.
    """
    _Run(graph, data, chain, _Parameters(graph)).describe()


@dataclass
class _Run:
    graph: CrateGraph
    data: CrateData
    chain: Chain
    parameters: _Parameters

    def describe(self) -> None:
        """Describe everything, what was made first before what was made of it."""
        jobs = [self._job(node) for node in reversed(self.chain.nodes)]
        configuration = self._configuration()
        self._workflow()
        for users in _grouped((job.tool, job) for job in jobs).values():
            self._tool(users)
        rules = _grouped((job.node.record.rule, job) for job in jobs)
        for position, (rule, users) in enumerate(rules.items(), start=1):
            self._step(rule, position, users)
        self._whole(jobs, configuration)
        self.graph.append(ROOT, "mentions", _RUN, *(job.action for job in jobs))

    def _job(self, node: Node) -> _Job:
        record = node.record
        record_place = self.data.layout.place(node.claim.path) or node.claim.path.name
        name = quote(record_place.removesuffix(SUFFIX))
        action = f"#job/{name}"
        read = [self.data.entity_of(node, entry) for entry in record.inputs]
        wrote = [self.data.entity_of(node, entry) for entry in record.outputs]
        values = [self.parameters.value(key, value) for key, value in _settings(record)]
        script = record.code.script
        tool = self.data.source_file(node.project, script, record.code.files[script])
        # The clock of the host may go backwards; this duration does not depend on it.
        duration = self.graph.add(
            f"#duration/{name}",
            "PropertyValue",
            name="duration",
            propertyID="https://schema.org/duration",
            value=str(record.duration_s),
            unitCode="SEC",
            unitText="second",
        )
        subject = self.graph.add_file(
            record_place,
            node.claim.path,
            description=f"Record of the job {record.job}.",
            identifier=f"sha256:{record.id}",
            about=reference(action),
        )
        self.graph.add(
            action,
            "CreateAction",
            name=record.job,
            description=_surroundings(record),
            instrument=reference(tool),
            startTime=record.started,
            endTime=record.ended,
            actionStatus=_COMPLETED,
            object=references([*read, *values]),
            result=references(wrote),
            resourceUsage=references([duration]),
            subjectOf=references([subject]),
        )
        return _Job(node, action, tool, values)

    def _program(self, name: str, version: str) -> str:
        page = f"https://pypi.org/project/{name}/{quote(version)}/"
        if name == "python":
            page = f"{_PYTHON}downloads/release/python-{version.replace('.', '')}/"
        return self.graph.add(
            page, "SoftwareApplication", name=name, softwareVersion=version, url=reference(page)
        )

    def _configuration(self) -> str | None:
        """Describe the configuration file, if it is still there and is one."""
        file = self.chain.root.record.configuration.file
        path = path_from(self.chain.root.project, file)
        if not path.is_file() or not _is_configuration(path):
            return None
        parts = PurePosixPath(file).parts
        inside = parts[:1] == ("config",) and ".." not in parts
        return self.graph.add_file(
            file if inside else f"{CONFIGURATION_PLACE}{path.name}",
            path,
            description="Configuration file as it was when this crate was written. The values "
            "that the jobs read are in their records and among the objects of their actions.",
        )

    def _workflow(self) -> None:
        project, record = self.chain.root.project, self.chain.root.record
        snakefile = project / WORKFLOW
        if not snakefile.is_file():
            raise UserError(
                snakefile, "is missing, so the workflow cannot be described", "restore the project"
            )
        for path in sorted((project / _RULES).glob("*.smk")):
            text = "Rules of the workflow, included by it."
            self.graph.add_file(f"{_RULES}/{path.name}", path, description=text)
        root = self.graph.entities[ROOT]
        self.graph.add(
            _LANGUAGE,
            "ComputerLanguage",
            name="Snakemake",
            identifier=reference("https://doi.org/10.12688/f1000research.29032"),
            url=reference(_SNAKEMAKE),
        )
        self.graph.add_file(
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

    def _tool(self, users: list[_Job]) -> None:
        tool, node = users[0].tool, users[0].node
        code, entity = node.record.code, self.graph.entities[users[0].tool]
        modules = [
            self.data.source_file(node.project, file, sha256)
            for file, sha256 in code.files.items()
            if file != code.script
        ]
        settings = [value for user in users for value in user.values]
        # The package itself is in the crate, file by file.
        programs = [
            self._program(name, version)
            for user in users
            for name, version in user.node.record.versions.items()
            if name != "ssl4sar"
        ]
        python = self.graph.add(
            "#language/python", "ComputerLanguage", name="Python", url=reference(_PYTHON)
        )
        text = (
            f"Script of the rule {node.record.rule}. The identifier is a SHA-256 over it and the "
            f"modules it can reach, which are its parts. {entity.get('description', '')}"
        )
        entity |= {
            "@type": ["File", "SoftwareSourceCode"],
            "version": node.record.versions.get("ssl4sar", code.digest),
            "identifier": f"sha256:{code.digest}",
            "description": text.strip(),
            "programmingLanguage": reference(python),
            "hasPart": references(modules),
            "input": references(self.parameters.of(settings)),
            "softwareRequirements": references(programs),
        }
        self.graph.append(WORKFLOW, "hasPart", tool)

    def _step(self, rule: str, position: int, users: list[_Job]) -> None:
        step = self.graph.add(
            f"{WORKFLOW}#{quote(rule)}",
            "HowToStep",
            name=rule,
            position=str(position),
            workExample=references(user.tool for user in users),
        )
        self.graph.append(WORKFLOW, "step", step)
        for user in users:
            self.graph.add(
                user.control,
                "ControlAction",
                name=f"step {user.node.record.job}",
                instrument=reference(step),
                object=reference(user.action),
            )

    def _whole(self, jobs: list[_Job], configuration: str | None) -> None:
        """Describe the run of the whole workflow and of the engine."""
        graph, parameters = self.graph, self.parameters
        record = self.chain.root.record
        external = external_inputs(self.chain)
        read = [*dict.fromkeys(self.data.entity_of(node, entry) for node, entry in external)]
        if configuration is not None:
            parameters.data("configuration file", configuration)
        for identifier in read:
            parameters.data(f"input {graph.entities[identifier]['name']}", identifier)
        read += [] if configuration is None else [configuration]
        overrides = leaves(record.configuration.overrides).items()
        read += [parameters.value(f"--config {key}", value) for key, value in overrides]
        settings = [value for job in jobs for value in job.values]
        wrote = [self.data.entity_of(self.chain.root, entry) for entry in record.outputs]
        for each in wrote:
            output = parameters.data(f"output {graph.entities[each]['name']}", each)
            graph.append(WORKFLOW, "output", output)
        graph.append(WORKFLOW, "input", *parameters.of([*read, *settings]))
        times = {
            "startTime": min(job.node.record.started for job in jobs),
            "endTime": max(job.node.record.ended for job in jobs),
        }
        graph.add(
            _RUN,
            "CreateAction",
            name=f"run of the study {record.study}",
            description=f"{len(jobs)} jobs of the workflow, from what came from outside to the "
            "result.",
            instrument=reference(WORKFLOW),
            actionStatus=_COMPLETED,
            object=references([*read, *settings]),
            result=references(wrote),
            **times,
        )
        snakemake = record.versions.get("snakemake", "")
        graph.add(
            "#engine",
            "OrganizeAction",
            name=f"Snakemake {snakemake}".strip(),
            instrument=reference(self._program("snakemake", snakemake or "unknown")),
            object=references(job.control for job in jobs),
            result=reference(_RUN),
            **times,
        )


def _grouped(jobs: Iterable[tuple[str, _Job]]) -> dict[str, list[_Job]]:
    groups: dict[str, list[_Job]] = defaultdict(list)
    for key, job in jobs:
        groups[key].append(job)
    return groups


def _settings(record: JobRecord) -> Iterator[tuple[str, Any]]:
    """Yield every setting of a job: configuration, other parameters, wildcards."""
    yield from leaves(record.cfg).items()
    yield from leaves(record.parameters).items()
    for key, value in sorted(record.wildcards.items()):
        yield f"wildcards.{key}", value


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


def _is_configuration(path: Path) -> bool:
    """Return whether a file has the keys of a configuration, and no others."""
    try:
        keys = read_config(path).keys()
    except UserError:
        return False
    return keys <= {*StudyConfig.model_fields, *SHORTCUTS}


def _workflow_text(record: JobRecord) -> str:
    text = "Entry of the workflow, as it was when this crate was written."
    if record.code.commit is None:
        return f"{text} The result was not made in a repository, so no commit is known."
    changed = "with uncommitted changes" if record.code.changed else "without changes"
    return f"{text} The result was made by commit {record.code.commit} {changed}."


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
    names = {bool: "Boolean", int: "Integer", float: "Float", str: "Text"}
    return names.get(type(value), "PropertyValue")
