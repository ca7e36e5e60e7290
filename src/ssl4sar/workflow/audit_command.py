"""What ``ssl4sar audit`` does: find the records, read today's configuration, check, tell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.atomic import json_text
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import Chain, chain_of
from ssl4sar.provenance.contents import content_of
from ssl4sar.provenance.difference import compare_chains, difference_json, print_difference
from ssl4sar.provenance.record import path_from
from ssl4sar.provenance.terminal import audit_json, print_audit
from ssl4sar.workflow.study import DEFAULT_CONFIG, default_config


@dataclass(frozen=True)
class AuditRequest:
    """What to audit.

    Attributes:
        file: file that the workflow made.
        configuration: file to compare with; None for the one that the record names.
        quick: compare sizes, hash nothing.
        as_json: print JSON instead of a tree.
        crate: folder to write a Workflow Run RO-Crate to, if everything holds.
    """

    file: Path
    configuration: Path | None
    quick: bool
    as_json: bool
    crate: Path | None = None


def audit(request: AuditRequest) -> bool:
    """Audit a file and print what was found.

    Returns:
        Whether everything holds. A crate is written only then: it would pass on what is not so.

    Raises:
        UserError: there is no usable record of the file, today's configuration is wrong, or the
            crate cannot be written.
    """
    chain = _chain(request.file)
    today = configuration_of_today(chain, request.configuration)
    found = audit_chain(chain, today, request.quick)
    if request.as_json:
        sys.stdout.write(json_text({"file": str(request.file), **audit_json(found)}))
    else:
        print_audit(found)
    if request.crate is not None:
        # The output may be JSON for a program: what a person reads goes beside it.
        sys.stderr.write(f"{_crate(request.crate, chain, found.holds)}\n")
    return found.holds


def _crate(folder: Path, chain: Chain, holds: bool) -> str:
    if not holds:
        return f"{folder}: no crate was written, because not everything holds"
    # An extra: imported only where a crate is asked for.
    from ssl4sar.provenance.crate import write_crate

    return write_crate(chain, folder).told


def explain_difference(one: Path, other: Path, as_json: bool) -> bool:
    """Print why two files differ.

    Returns:
        Whether they have the same content.

    Raises:
        UserError: there is no usable record of one of them.
    """
    difference = compare_chains(_chain(one), _chain(other))
    if as_json:
        sys.stdout.write(json_text(difference_json(difference)))
    else:
        print_difference(difference, str(one), str(other))
    return difference.equal


def configuration_of_today(chain: Chain, file: Path | None) -> StudyConfig:
    """Read the configuration that a run of the same command would have today.

    Args:
        chain: the records of the audited file; its own record names configuration and overrides.
        file: file to read instead of the one that the record names.

    Raises:
        UserError: the file is missing or wrong.
    """
    told = chain.root.record.configuration
    project = chain.root.project
    path = path_from(project, told.file) if file is None else file
    # The overrides belong to the file that they were given with.
    overrides: Mapping[str, Any] = told.overrides if file is None else {}
    if path == project / DEFAULT_CONFIG:
        values = default_config(project, overrides)
    else:
        values = read_config(path)
        update_config(values, overrides)
    return study_from(values, path)


def _chain(file: Path) -> Chain:
    return chain_of(file, content_of(file) if file.is_file() else None)
