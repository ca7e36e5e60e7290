"""The crate of a result that the workflow really made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from crate_validation import problems
from micro_study import RESULT, STORED_IMAGES, fine_tuned

from ssl4sar.core.hashing import sha256_file
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import chain_of
from ssl4sar.provenance.crate import write_crate
from ssl4sar.workflow.audit_command import configuration_of_today

pytestmark = pytest.mark.slow


def test_the_crate_of_a_study_is_accepted_and_complete(finished, tmp_path: Path) -> None:
    crate = tmp_path / "crate"
    chain = chain_of(finished.root / RESULT)
    summary = write_crate(chain, crate)
    assert summary.left_out == {}
    assert problems(crate) == []

    content = json.loads((crate / "ro-crate-metadata.json").read_text())
    graph = {entity["@id"]: entity for entity in content["@graph"]}
    assert graph["./"]["name"].startswith("SYNTHETIC: ")
    assert "says nothing about a real glacier" in graph["./"]["description"]
    actions = [entity for entity in content["@graph"] if entity["@type"] == "CreateAction"]
    assert len(actions) == len(chain.nodes) + 1
    sample = (RESULT, f"{fine_tuned()}/model.ckpt", "Snakefile")
    for name in sample:
        assert (
            graph[name]["sha256"] == sha256_file(finished.root / name) == sha256_file(crate / name)
        )

    shutil.rmtree(finished.root)
    inside = chain_of(crate / RESULT)
    assert audit_chain(inside, configuration_of_today(inside, None)).problems == []


def test_a_checkpoint_has_a_crate_of_its_own(finished, tmp_path: Path) -> None:
    crate = tmp_path / "crate"
    model = finished.root / f"{fine_tuned(1)}/model.ckpt"
    summary = write_crate(chain_of(model), crate, limit_mb=0.01)
    assert (crate / f"{fine_tuned(1)}/model.ckpt").is_file()
    assert not (crate / STORED_IMAGES).exists()
    assert STORED_IMAGES in summary.left_out
    assert not (crate / "results").exists()
    assert problems(crate) == []
