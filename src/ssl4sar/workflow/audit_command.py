"""What ``ssl4sar audit`` does: find the records, read today's configuration, check, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.atomic import json_text
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import print_lines
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import Chain, chain_of, recorded_sha256
from ssl4sar.provenance.contents import Content, content_of
from ssl4sar.provenance.difference import compare_chains, difference_json, difference_lines
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
        UserError: there is no usable record of the file, the configuration that was asked for is
            wrong, or the crate cannot be written.
    """
    if request.crate is not None:
        _require_crate(request)
    chain = _chain(request.file)
    found = audit_chain(chain, _today(chain, request.configuration), request.quick)
    if request.as_json:
        sys.stdout.write(json_text({"file": str(request.file), **audit_json(found)}))
    else:
        print_audit(found)
    if request.crate is not None:
        # The output may be JSON for a program: what a person reads goes beside it.
        print_lines([_crate(request.crate, chain, found.holds)], sys.stderr)
    return found.holds


def _require_crate(request: AuditRequest) -> None:
    """Refuse what cannot end in a crate before anything is hashed."""
    if request.quick:
        raise UserError("--quick", "a crate needs hashes, not sizes alone", "leave it out")
    from ssl4sar.provenance.crate_graph import rocrate_package

    rocrate_package()


def _crate(folder: Path, chain: Chain, holds: bool) -> str:
    if not holds:
        return f"{folder}: no crate was written, because not everything holds"
    # An extra: imported only where a crate is asked for.
    from ssl4sar.provenance.crate import write_crate

    return str(write_crate(chain, folder))


def explain_difference(one: Path, other: Path, as_json: bool) -> bool:
    """Print why two files differ.

    Returns:
        Whether they have the same content.

    Raises:
        UserError: there is no usable record of one of them, one was altered since it was made, or
            they were made by different rules.
    """
    (chain_of_one, content_of_one), (chain_of_other, content_of_other) = (
        _as_made(file) for file in (one, other)
    )
    equal = content_of_one.sha256 == content_of_other.sha256
    difference = compare_chains(chain_of_one, chain_of_other, equal)
    if as_json:
        sys.stdout.write(json_text(difference_json(difference)))
    else:
        print_lines(difference_lines(difference, str(one), str(other)))
    return difference.equal


def configuration_of_today(chain: Chain, file: Path | None) -> StudyConfig:
    """Read the configuration that a run of the same command would have today.

    Args:
        chain: the records of the audited file; its own record names configuration and overrides.
        file: file to read instead of the one that the record names.

    Raises:
        UserError: the file is missing or wrong.
    """
    recorded = chain.root.record.configuration
    project = chain.root.project
    path = path_from(project, recorded.file) if file is None else file
    # The overrides belong to the file that they were given with.
    overrides: Mapping[str, Any] = recorded.overrides if file is None else {}
    if path == project / DEFAULT_CONFIG:
        values = default_config(project, overrides)
    else:
        values = read_config(path)
        update_config(values, overrides)
    return study_from(values, path)


def _today(chain: Chain, file: Path | None) -> StudyConfig | UserError:
    """Return today's configuration, or why there is none: the rest can be audited without it."""
    if file is not None:
        return configuration_of_today(chain, file)
    try:
        return configuration_of_today(chain, None)
    except UserError as error:
        if (chain.root.project / "Snakefile").is_file():
            return error
        return UserError(
            chain.root.project,
            "there is no Snakefile, where the project of the file should be",
            "audit it in its project, from outside of folders that are links; a copied result "
            "needs what it came from",
        )


def _chain(file: Path) -> Chain:
    chain = chain_of(file)
    # Only where several records claim the file its content has to choose: hashing may take long.
    if chain.rivals and file.exists():
        chain = chain_of(file, content_of(file, os.cpu_count() or 1))
    return chain


def _as_made(file: Path) -> tuple[Chain, Content]:
    """Return the chain and the content of a file that is what its record says."""
    chain = _chain(file)
    if not file.exists():
        raise UserError(file, "does not exist", "name two files that the workflow made")
    content = content_of(file, os.cpu_count() or 1)
    recorded = recorded_sha256(chain.root.claim, file)
    if recorded is not None and content.sha256 != recorded:
        raise UserError(
            file,
            f"it is not what {chain.root.record.job} wrote: altered since",
            "make it again, or see `ssl4sar audit` of it",
        )
    return chain, content
