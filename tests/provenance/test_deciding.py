"""A kept state outlives an edit of what surrounds a training, and no edit of what decides it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssl4sar.provenance import digest
from ssl4sar.provenance.deciding import OPERATIONAL, deciding_digest, deciding_files

SOURCE = Path(digest.__file__).resolve().parents[2]
MODULES = {"pretrain": "pretext.pretrain", "finetune": "finetune.finetune"}
TRAININGS = tuple(MODULES)
#: As the rules name the module of the network of a model.
TYRION = ("ssl4sar.models.tyrion",)
#: Some of what each training computes with.
OWN = {
    "pretrain": {"dataset.pair_store", "models.optsimmim", "train.pretext.pretrain_module"},
    "finetune": {"dataset.store", "metrics.fronts", "train.finetune.losses"},
}


@pytest.mark.parametrize("training", TRAININGS)
def test_what_decides_the_numbers_counts(training: str) -> None:
    files = deciding_files(f"ssl4sar.train.{MODULES[training]}", TYRION)
    assert files["script"].name == f"{training}.py"
    names = {name.removeprefix("ssl4sar.") for name in files}
    assert names >= {"core.seeding", "models.tyrion", "train.loop.sampling"} | OWN[training]


def test_nothing_that_computes_is_operational() -> None:
    computing = ("core.seeding", "core.zones", "metrics.", "models.", "train.loop.optimisation")
    computing += ("train.loop.data", "train.loop.module", "train.loop.checkpointing")
    names = {name.removeprefix("ssl4sar.") for name in OPERATIONAL} - {"models.device"}
    assert [name for name in names if name.startswith(computing)] == []


def test_every_operational_module_is_one_that_a_training_reaches() -> None:
    reached: set[str] = set()
    for training in TRAININGS:
        reached |= set(
            digest.source_files(
                SOURCE.joinpath("ssl4sar", "train", *MODULES[training].split(".")).with_suffix(
                    ".py"
                )
            )
        )
    assert set(OPERATIONAL) <= reached
    assert len(set(OPERATIONAL)) == len(OPERATIONAL)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(SOURCE / "ssl4sar", folder / "ssl4sar", ignore=shutil.ignore_patterns("*.pyc"))
    return folder


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("models/tyrion", {"pretrain", "finetune"}),
        ("train/pretext/pretrain", {"pretrain"}),
        ("train/finetune/losses", {"finetune"}),
        ("models/aspp_unet", set()),
        ("models/temporal_tyrion", set()),
        ("config/networks", set()),
        ("train/loop/deadline", set()),
        ("train/operations/launch", set()),
        ("core/progress", set()),
        ("provenance/recorder", set()),
    ],
)
def test_an_edit(copied: Path, module: str, counts: set[str]) -> None:
    networks = {"pretrain": (), "finetune": TYRION}

    def digests(folder: Path = copied) -> dict[str, str]:
        return {
            name: deciding_digest(f"ssl4sar.train.{MODULES[name]}", networks[name], folder)
            for name in TRAININGS
        }

    before = digests()
    path = copied / "ssl4sar" / f"{module}.py"
    content = path.read_text()
    path.write_text(f"{content}EDITED = 1\n")
    after = digests()
    path.write_text(content)
    assert {name for name in TRAININGS if after[name] != before[name]} == counts
    assert digests() == before == digests(SOURCE)


@pytest.mark.parametrize("rule", ["pretrain_optsimmim", "pretrain_opttranslator", "finetune"])
def test_the_scripts_hand_it_to_the_training_that_they_run(rule: str) -> None:
    text = (SOURCE.parent / "workflow" / "scripts" / f"{rule}.py").read_text()
    assert f'source=deciding_digest("ssl4sar.train.{MODULES[rule.partition("_")[0]]}"' in text
