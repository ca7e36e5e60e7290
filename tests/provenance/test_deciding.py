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
BOTH = {
    "config.batch_shares",
    "core.seeding",
    "core.zones",
    "dataset.flat_arrays",
    "models.attention",
    "models.blocks",
    "models.checkpoint",
    "models.registry",
    "models.starting",
    "models.tyrion",
    "models.tyrion_weights",
    "train.loop.batches",
    "train.loop.checkpointing",
    "train.loop.data",
    "train.loop.fingerprint",
    "train.loop.module",
    "train.loop.optimisation",
    "train.loop.run",
    "train.loop.sampling",
}
OWN = {
    "pretrain": {
        "dataset.pair_store",
        "models.optsimmim",
        "models.opttranslator",
        "models.pretext",
        "models.token_mask",
        "train.pretext.pair_crops",
        "train.pretext.pair_resize",
        "train.pretext.pair_sampling",
        "train.pretext.pair_tiles",
        "train.pretext.pretrain_module",
    },
    "finetune": {
        "dataset.store",
        "metrics.distances",
        "metrics.fronts",
        "metrics.segmentation",
        "models.sliding_window",
        "train.finetune.augment",
        "train.finetune.crops",
        "train.finetune.finetune_module",
        "train.finetune.losses",
        "train.finetune.validation",
    },
}


@pytest.mark.parametrize("training", TRAININGS)
def test_what_decides_the_numbers_counts(training: str) -> None:
    files = deciding_files(f"ssl4sar.train.{MODULES[training]}", TYRION)
    assert files["script"].name == f"{training}.py"
    names = {name.removeprefix("ssl4sar.") for name in files}
    assert names >= BOTH | OWN[training]
    assert not {f"ssl4sar.{name}" for name in BOTH.union(*OWN.values())} & set(OPERATIONAL)


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
