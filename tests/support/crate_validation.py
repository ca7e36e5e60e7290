"""The RO-Crate validator without the internet: the two JSON-LD contexts come from a local cache."""

from __future__ import annotations

import io
import json
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator.models import Severity, ValidationSettings, Validator
from urllib3 import HTTPResponse

PROFILE = "provenance-run-crate"
RO_CRATE_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
RUN_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
_BIOSCHEMAS = "https://bioschemas.org/"
#: Where the context of RO-Crate 1.1 differs from the newer one that the package rocrate holds, as
#: far as crates of this project use it (compared with the published context by hand).
_DIFFERENT_IN_1_1 = {
    "ComputationalWorkflow": f"{_BIOSCHEMAS}ComputationalWorkflow",
    "FormalParameter": f"{_BIOSCHEMAS}FormalParameter",
    "input": f"{_BIOSCHEMAS}ComputationalWorkflow#input",
    "output": f"{_BIOSCHEMAS}ComputationalWorkflow#output",
}
_RUN_TERMS = {
    name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("sha256", "resourceUsage")
}


#: Removed when the tests end.
_SCRATCH = tempfile.TemporaryDirectory()


def problems(crate: Path, severity: str = "REQUIRED") -> list[str]:
    """What the validator finds wrong with a crate, of this severity or a graver one."""
    result = _validator(severity).validate(rocrate_uri=str(crate))
    found = [str(issue.message) for issue in result.get_issues(Severity[severity])]
    assert result.passed(Severity[severity]) == (not found)
    return found


@cache
def _validator(severity: str) -> Validator:
    # Reading the profiles takes longer than any check: one validator serves all tests.
    contexts = Path(_SCRATCH.name) / "contexts"
    _fill(contexts)
    settings = ValidationSettings(
        rocrate_uri=".",
        profile_identifier=PROFILE,
        requirement_severity=severity,
        offline=True,
        cache_path=contexts,
    )
    return Validator(settings)


def _fill(cache: Path) -> None:
    published = resources.files("rocrate") / "data" / "ro-crate.jsonld"
    terms = json.loads(published.read_text(encoding="utf-8"))["@context"]
    contexts = {
        RO_CRATE_CONTEXT: {**terms, **_DIFFERENT_IN_1_1},
        RUN_CONTEXT: _RUN_TERMS,
    }
    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://w3id.org/", _Shelf(contexts))
        for address in contexts:
            session.get(address).raise_for_status()


class _Shelf(HTTPAdapter):
    """Answers from memory."""

    def __init__(self, contexts: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self._contexts = contexts

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        body = json.dumps({"@context": self._contexts[request.url]}).encode()
        answer = HTTPResponse(
            body=io.BytesIO(body),
            headers={"Content-Type": "application/ld+json"},
            status=200,
            preload_content=False,
        )
        return self.build_response(request, answer)
