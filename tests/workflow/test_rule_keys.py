"""No rule reads a key that its `cfg` does not name, and none names a key that it does not read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from loaded_rules import loaded_rules
from micro_study import MAIN, PROJECT, TASKS, UNET, study_of
from pydantic import BaseModel

from ssl4sar.config.block import Block, blocks_within
from ssl4sar.config.study import StudyConfig
from ssl4sar.provenance.digest import source_files
from ssl4sar.train.pretext.pretrain import recipe_of

SCRIPTS = {path.stem: path for path in sorted((PROJECT / "workflow/scripts").glob("*.py"))}
CONFIG = PROJECT / "src/ssl4sar/config"
PAGE = PROJECT / "docs" / "reruns.md"


def cfg_of(rule: str) -> dict[str, Any]:
    cfg = dict(loaded_rules()[rule].params.items())["cfg"]
    # Of a job on one network, the keys of its model are those that count.
    return cfg(SimpleNamespace(model=MAIN)) if callable(cfg) else cfg


@cache
def files_of(rule: str) -> list[Path]:
    """Return every file that a job can run, whether it counts in a digest or not."""
    beside = ("ssl4sar.workflow.job", "ssl4sar.provenance")
    return list(source_files(SCRIPTS[rule], PROJECT / "src", beside).values())


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_bytes())))


def leaves(model: type[BaseModel] = StudyConfig, prefix: str = "") -> Iterator[str]:
    """Yield every key that holds a value by dotted name."""
    for name, field in model.model_fields.items():
        blocks = blocks_within(field.annotation)
        if name != "models" and blocks:
            yield from leaves(blocks[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _is_cfg(node: ast.AST) -> bool:
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return False
    return ast.unparse(node) in {"cfg", "snakemake.params.cfg"}


@cache
def attributes_of(path: Path) -> frozenset[str]:
    """Return the names of all attributes that a file reads."""
    return frozenset(node.attr for node in nodes_of(path) if isinstance(node, ast.Attribute))


def _key_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Subscript) and _is_cfg(node.value):
        # Keys of a model are read by its name.
        names = re.sub(r"\{model\}", MAIN, ast.unparse(node.slice).removeprefix("f"))
        value = ast.literal_eval(names) if names[0] in "'\"" else None
        return value if isinstance(value, str) else None
    return None


def test_a_script_reads_the_keys_of_its_rule_and_no_others() -> None:
    # The order of the seeds is the order of the inputs, which Snakemake compares as a set. The
    # pixel size chooses the tree that is read: its record must tell which one was wanted.
    chosen = {"caffe.spacing_m"}
    unread = {
        "caffe_mde": {"model", "models.none.seeds"},
        "pretraining_comparison": {f"models.{name}.seeds" for name in (MAIN, *TASKS, UNET)},
        "prepare_store": chosen,
        "score_baselines": chosen,
    }
    read = {
        rule: {key for node in nodes_of(path) if (key := _key_of(node))}
        for rule, path in SCRIPTS.items()
    }
    assert {rule: set(cfg_of(rule)) for rule in SCRIPTS} == {
        rule: keys | unread.get(rule, set()) for rule, keys in read.items()
    }


#: What takes from the whole configuration things that are no reason to repeat a job: the device,
#: and the addresses and limits of services.
OF_THE_WHOLE = {"ComputeConfig.of_job", "ComputeConfig.of_training", "Services.of_job"}


@pytest.mark.parametrize("rule", SCRIPTS)
def test_a_script_sees_keys_by_name_and_the_whole_configuration_for_device_and_services(
    rule: str,
) -> None:
    nodes = nodes_of(SCRIPTS[rule])
    subscripts = {id(node.value) for node in nodes if _key_of(node)}
    # ``snakemake.params.cfg`` is handed to ``main`` or gets the name ``cfg``, nothing else.
    others = [
        n for n in nodes if isinstance(n, ast.Name) and _is_cfg(n) and id(n) not in subscripts
    ]
    assert [ast.unparse(node) for node in others] == []
    whole = [
        n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n) == "snakemake.config"
    ]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for_device = [node.args[0] for node in calls if ast.unparse(node.func) in OF_THE_WHOLE]
    assert {id(node) for node in whole} <= {id(node) for node in for_device}
    # A job cannot read the file either: what reads and holds it all is out of its reach.
    assert not {CONFIG / f"{name}.py" for name in ("loading", "study", "schema")} & {
        *files_of(rule)
    }
    # A part of a block would be filled up with defaults, deaf to the configuration.
    for call in calls:
        if ast.unparse(call.func).endswith(".model_validate"):
            key = _key_of(call.args[0])
            assert key is not None
            assert _annotation(key).__name__ == ast.unparse(call.func).split(".")[0]


def _annotation(key: str) -> type:
    model: type = StudyConfig
    for part in key.split("."):
        model = model.model_fields[part].annotation
    return model


def test_a_rule_that_carries_a_key_reads_it() -> None:
    for rule in SCRIPTS:
        files = [path for path in files_of(rule) if path.parent != CONFIG]
        read = frozenset().union(*map(attributes_of, files))
        unread = [
            key
            for carried in cfg_of(rule)
            for key in leaves()
            if key.startswith(f"{carried}.") and key.rpartition(".")[2] not in read
        ]
        assert unread == [], f"{rule} reruns for them but reads them nowhere"


def _below(block: type[Block]) -> set[type[Block]]:
    direct = block.__subclasses__()
    return {*direct, *(deeper for child in direct for deeper in _below(child))}


def test_no_job_makes_a_block_of_its_own() -> None:
    blocks = {block.__name__ for block in _below(Block)}
    assert {"TrainingConfig", "PretextConfig", "OptSimMIMConfig"} <= blocks
    files = {path for rule in SCRIPTS for path in files_of(rule) if path.parent != CONFIG}
    made = {
        (path.relative_to(PROJECT / "src/ssl4sar").as_posix(), node.func.id)
        for path in files
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in blocks
    }
    # How validation images are cut follows from the recipe; that its arithmetic, rotations and
    # windows per call are not those of the prediction is said there.
    assert made == {("train/finetune/validation.py", "PredictionConfig")}


@pytest.mark.parametrize("task", TASKS)
def test_a_pretext_task_gets_its_whole_recipe(task: str) -> None:
    assert set(cfg_of(f"pretrain_{task}")) == {"pretraining.network", "pretraining.weights", task}
    config = study_of({f"{task}.min_scale": 0.8})
    assert recipe_of(task, getattr(config, task).model_dump(mode="json")) == getattr(config, task)


# The page on reruns ------------------------------------------------------------------------------


def test_the_page_on_reruns_names_every_key_with_a_rule_that_reads_it() -> None:
    """Rows hold keys or blocks and the first rules that run again; `test_reruns.py` proves some."""
    keys_alone = PAGE.read_text(encoding="utf-8").split("## Source files")[0]
    table = re.findall(r"^\| (`.+`) \| (.+) \|$", keys_alone, re.MULTILINE)
    rules = {
        key: set(re.findall(r"`(\w+)`", again)) for keys, again in table for key in names(keys)
    }
    unnamed = [
        key
        for key in leaves()
        if not any(key == named or key.startswith(f"{named}.") for named in rules)
    ]
    assert unnamed == []
    carried = {rule: set(cfg_of(rule)) for rule in SCRIPTS}
    for key, again in rules.items():
        for rule in again if key not in SHAPING else ():
            assert any(
                key == c or key.startswith(f"{c}.") or c.startswith(f"{key}.")
                for c in carried[rule]
            ), f"{key}: {rule} does not read it"
    assert {key.split(".")[0] for key in rules} == set(StudyConfig.model_fields)


def names(keys: str) -> list[str]:
    return [name.removesuffix(".*") for name in re.findall(r"`([\w.*]+)`", keys)]


#: Keys that choose which jobs there are, so that no rule reads them.
#: (`training` counts in the recipes of the models.)
SHAPING = {
    "name",
    "seeds",
    "training",
    "caffe.source",
    "ssl4sar.source",
    "pretraining.weights_file",
    "stack.batch_size",
}
SHAPING |= {f"pretraining.{key}" for key in ("seed", "own_seeds")}
