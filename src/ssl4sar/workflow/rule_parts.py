"""The parts that all rules have in common: log, benchmark, environment, page of the report.

A rule states inputs, outputs, keys and script; what follows from its name, its wildcards and its
resources is put in here, in one place. A rule that states a part itself has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from snakemake.io import report, strip_wildcard_constraints

from ssl4sar.core.foreign import parse_yaml, read_bounded
from ssl4sar.workflow.study import Study

#: Environment of a rule that names none, seen from the files of the rules.
ENVIRONMENT: Final = "../../envs/data.yaml"
#: The same for a rule that may ask for a GPU: it needs PyTorch, on a CPU too.
GPU_ENVIRONMENT: Final = "../../envs/torch.yaml"
_CAPTIONS: Final = "../report"
_WILDCARD: Final = re.compile(r"\{(\w+)\}")


def complete_rules(rules: Iterable[Any], study: Study) -> None:
    """Give every rule of this workflow the parts that it does not state.

    Args:
        rules: all rules of Snakemake's workflow; those without a record of provenance are targets,
            or belong to a workflow around this one.
        study: products below ``runs/`` and ``results/`` are its own, all others are shared by all
            studies.
    """
    for rule in rules:
        if "provenance" not in dict(rule.output.items()):
            continue
        output = strip_wildcard_constraints(str(rule.output[0]))
        folder = f"{study.config.name}/" if re.search(r"(^|/)(runs|results)/", output) else ""
        wildcards = "/".join(f"{{{name}}}" for name in dict.fromkeys(_WILDCARD.findall(output)))
        # Of a module the rules are renamed, and its own names find the records of earlier runs.
        own_name = Path(str(rule.script)).stem
        if not rule.params:
            rule.set_params(**study.given(own_name))
        name = folder + "/".join(filter(None, (own_name, wildcards)))
        if not rule.log:
            rule.log_modifier = rule.output_modifier
            rule.set_log(f"logs/{name}.log")
        # A product of a shared cache has no time of its own: Snakemake forbids both.
        if rule.benchmark is None and not rule.cache.flag.value:
            rule.benchmark_modifier = rule.output_modifier
            rule.benchmark = f"benchmarks/results/{name}.tsv"
        if rule.conda_env is None:
            rule.conda_env = GPU_ENVIRONMENT if "gpu" in rule.resources else ENVIRONMENT


class ReportPages:
    """Where outputs stand in Snakemake's report.

    Args:
        file: YAML file that gives each page, by the name of its caption, ``category``, ``what``
            and where wanted ``subcategory`` and ``patterns``.
    """

    def __init__(self, file: Path) -> None:
        self._pages: Mapping[str, Mapping[str, Any]] = parse_yaml(read_bounded(file))

    def shown(self, output: Any, page: str) -> Any:
        """Return an output that the report shows, labelled with what it is and its wildcards.

        Args:
            output: path of an output, perhaps a flagged one.
            page: name of the page and of its caption in ``workflow/report``.
        """
        known = dict(self._pages[page])
        labels = {"what": known.pop("what")} if "what" in known else {}
        for text in (str(output), *known.get("patterns", ())):
            labels |= {name: f"{{{name}}}" for name in _WILDCARD.findall(text)}
        return report(output, caption=f"{_CAPTIONS}/{page}.rst", labels=labels, **known)
