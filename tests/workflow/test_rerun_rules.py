"""No rule reads a key that its `cfg` does not name, and none names a key that it does not read."""

from __future__ import annotations

import ast
import re
from contextlib import chdir
from functools import cache
from pathlib import Path

import pytest
from config_values import COMPANY, WEIGHTS, another, leaves, with_values, write_named_files
from rerun_prediction import (
    DOCUMENT,
    PROJECT,
    RESULTS,
    base_of,
    closed,
    document,
    fetching,
    micro,
    pangaea,
    reached,
    rerun_by_values,
    rules_of,
    wanted,
    whole,
    zenodo,
)

from ssl4sar.config.block import Block
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretraining import TASKS, VARIANTS, Variant, starting_model
from ssl4sar.config.study import StudyConfig
from ssl4sar.train.pretext.pretrain import recipe_of
from ssl4sar.workflow.study import open_study

RULES = rules_of(open_study(pangaea(), [], {}, PROJECT))
SCRIPTS = {name: PROJECT / "workflow" / "scripts" / f"{name}.py" for name in RULES}
REACHED = reached()
CONFIG = "src/ssl4sar/config/"

#: Rules that acquire scenes, on the way to no result yet.
ACQUIRING = set(
    re.findall(r"^rule (\w+):", (PROJECT / "workflow/rules/sentinel.smk").read_text(), re.MULTILINE)
)

RESULTS_MADE = {"caffe_mde", "pretraining_comparison"}
EVALUATED = {"evaluate_seed", *RESULTS_MADE}
PREDICTED = {"predict", *EVALUATED}
TRAINED = {"finetune", *PREDICTED}
STORED = {"prepare_store", *TRAINED}
RESAMPLED = {"resample_caffe", "score_baselines", *STORED}
VALIDATED = {"validate_caffe", *RESAMPLED}
RENDERED = {"render_caffe", *VALIDATED}
DOWNLOADED = {"download_caffe", "extract_caffe", *VALIDATED}
#: One pretext task; the comparison shows its pictures.
OPTSIMMIM = {"pretrain_optsimmim", "pretext_panels", *TRAINED} - {"caffe_mde"}
OPTTRANSLATOR = {"pretrain_opttranslator", "pretext_panels", *TRAINED}
PRETRAINED = OPTSIMMIM | OPTTRANSLATOR
PAIRS_STORED = {"prepare_pair_store", *PRETRAINED}
PAIRS_VALIDATED = {"validate_pairs", *PAIRS_STORED}
PAIRS_RENDERED = {"render_pairs", *PAIRS_VALIDATED}
PAIRS_DOWNLOADED = {"download_ssl4sar", "extract_ssl4sar", *PAIRS_VALIDATED}
FETCHED = {"fetch_weights", *PRETRAINED}

#: What a person expects of each key or block; the longest name that fits counts.
EXPECTED = {
    # Everything lies below the name.
    "name": RENDERED | PAIRS_RENDERED,
    # One seed fewer only gathers anew; one more is in `test_more_of_the_keys_that_shape_the_dag`.
    "seeds": RESULTS_MADE,
    # Other rules bring the scenes: downloaded instead of rendered.
    "caffe.source": DOWNLOADED,
    # Someone's own scenes: nothing is rendered, all is checked and made anew.
    "caffe.root": VALIDATED,
    "caffe.url": DOWNLOADED,
    "caffe.sha256": DOWNLOADED,
    "caffe.spacing_m": RESAMPLED,
    "caffe.validation_fraction": STORED,
    "caffe.validation_seed": STORED,
    "scene": RENDERED,
    "ssl4sar.source": PAIRS_DOWNLOADED,
    "ssl4sar.root": PAIRS_VALIDATED,
    "ssl4sar.record_url": PAIRS_DOWNLOADED,
    "ssl4sar.test_glaciers": PAIRS_VALIDATED,
    "ssl4sar.allow_test_glaciers": PAIRS_VALIDATED,
    "ssl4sar.leave_out": PAIRS_VALIDATED,
    "ssl4sar.optical_scale": PAIRS_STORED,
    "pair_scene": PAIRS_RENDERED,
    "model": PRETRAINED,
    # The other value is the one that fetches weights.
    "model.weights": FETCHED,
    "weights": FETCHED,
    # The other starting points are finished already.
    "pretraining.variant": {"caffe_mde"},
    "pretraining.compare": {"pretraining_comparison"},
    "pretraining.seed": PRETRAINED,
    # A pretraining for each seed: that of seed 0 is there.
    "pretraining.own_seeds": PRETRAINED,
    # Without weights both start from random ones.
    "pretraining.from_starting_weights": set(),
    "optsimmim": OPTSIMMIM,
    "opttranslator": OPTTRANSLATOR,
    "training": TRAINED,
    "prediction": PREDICTED,
    # Validation during the training uses them too.
    "prediction.centre_px": TRAINED,
    "prediction.sigma_px": TRAINED,
    "evaluation": {"caffe_mde"},
    # Where a job runs is no reason to repeat it.
    "compute": set(),
    # Scenes are acquired beside the results; test_acquisition.py says what reruns there.
    "acquisition": set(),
    "sentinel": set(),
    "optical": set(),
    "cdse": set(),
    "dhus": set(),
    "asf": set(),
    "stac": set(),
    "elevation": set(),
}


@pytest.fixture(autouse=True)
def in_a_folder_with_the_named_files(tmp_path: Path):
    write_named_files(tmp_path)
    with chdir(tmp_path):
        yield


def keys_of(block: str) -> list[str]:
    """Return the keys of a block at the top of the configuration, or such a key itself."""
    return [key for key in leaves() if key.partition(".")[0] == block]


EVERY_BLOCK = pytest.mark.parametrize("block", StudyConfig.model_fields)


def expected_of(key: str) -> set[str]:
    names = [key.rsplit(".", n)[0] for n in range(key.count(".") + 1)]
    expected = next((EXPECTED[name] for name in names if name in EXPECTED), None)
    assert expected is not None, f"{key}: say in EXPECTED which rules it should rerun"
    return expected


@EVERY_BLOCK
def test_each_key_reruns_what_a_person_expects(block: str) -> None:
    keys = keys_of(block)
    assert keys
    expected = {key: expected_of(key) for key in keys}
    assert {
        key: rerun_by_values(base_of(key), another(base_of(key), key)) for key in keys
    } == expected


@EVERY_BLOCK
def test_each_key_has_another_valid_value(block: str) -> None:
    for key in keys_of(block):
        change = another(micro(), key)
        assert set(change) == set(COMPANY.get(key, [key]))
        changed = with_values(micro(), change)
        assert changed != micro(), key
        StudyConfig.model_validate(changed)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seeds": [0, 1, 2]}, TRAINED),
        ({"seeds": [2]}, TRAINED),
        # The result lists the seeds in this order.
        ({"seeds": [1, 0]}, RESULTS_MADE),
        # The native tree, on which nothing of this run has worked.
        ({"caffe.spacing_m": None}, RESAMPLED - {"resample_caffe"}),
        ({"model.weights": "timm", "model.weights_file": WEIGHTS}, PRETRAINED),
        # Nothing is pretrained any more; the fine-tunings from random weights are there.
        ({"pretraining.compare": ["none"], "pretraining.variant": "none"}, RESULTS_MADE),
        # The comparison and its figure list them in this order.
        (
            {"pretraining.compare": ["opttranslator", "optsimmim", "none"]},
            {"pretraining_comparison"},
        ),
        # A pretext task that nobody asks for is not trained, and its recipe says nothing.
        (
            {"pretraining.compare": ["none", "opttranslator"], "optsimmim.epochs": 3},
            {"pretraining_comparison"},
        ),
    ],
)
def test_more_of_the_keys_that_shape_the_dag(changes: dict, expected: set[str]) -> None:
    assert rerun_by_values(whole(), changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # From random weights; those from ImageNet go on to the starting point of that name.
        ({"pretraining.from_starting_weights": False}, PRETRAINED),
        ({"pretraining.variant": "imagenet"}, {"caffe_mde"}),
        ({"pretraining.compare": ["none", "imagenet"]}, {"pretraining_comparison"}),
    ],
)
def test_keys_that_shape_the_dag_of_a_run_from_given_weights(
    changes: dict, expected: set[str]
) -> None:
    assert rerun_by_values(fetching(), changes) == expected


@pytest.mark.parametrize(
    ("compared", "more", "expected"),
    [
        (["none"], ["none", "optsimmim"], (PAIRS_RENDERED - OPTTRANSLATOR) | OPTSIMMIM),
        (["none", "optsimmim"], VARIANTS, OPTTRANSLATOR - {"caffe_mde"}),
    ],
)
def test_one_more_starting_point_is_pretrained_and_leaves_the_others(
    compared: list[str], more: list[str], expected: set[str]
) -> None:
    base = with_values(whole(), {"pretraining.variant": "none", "pretraining.compare": compared})
    assert rerun_by_values(base, {"pretraining.compare": list(more)}) == expected


def test_page_on_reruns_is_up_to_date() -> None:
    page = (PROJECT / DOCUMENT).read_text(encoding="utf-8")
    assert page == document(), "run: python tests/support/rerun_prediction.py"


def test_every_rule_is_on_the_way_to_the_result() -> None:
    needed = [
        wanted(rules_of(open_study(base, [], {}, PROJECT)), RESULTS)
        for base in (whole(), pangaea(), zenodo(), fetching())
    ]
    assert set().union(*needed) == set(RULES) - ACQUIRING


def test_a_change_reaches_users_but_not_makers() -> None:
    assert closed(RULES, ["predict"], RESULTS) == PREDICTED
    assert closed(RULES, ["caffe_mde"], RESULTS) == {"caffe_mde"}
    assert closed(RULES, ["render_caffe"], RESULTS) == set()


# What scripts read -------------------------------------------------------------------------------


def _is_cfg(node: ast.AST) -> bool:
    return ast.unparse(node) in {"cfg", "snakemake.params.cfg"} and isinstance(
        getattr(node, "ctx", None), ast.Load
    )


def _key_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Subscript) and _is_cfg(node.value):
        value = ast.literal_eval(node.slice)
        return value if isinstance(value, str) else None
    return None


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_bytes())))


@pytest.mark.parametrize("rule", RULES)
def test_a_script_reads_the_keys_of_its_rule_and_no_others(rule: str) -> None:
    read = {key for node in _nodes(SCRIPTS[rule]) if (key := _key_of(node))}
    # The order of the seeds is the order of the inputs, which Snakemake compares as a set. The
    # pixel size chooses the tree that is read: its record must tell which one was wanted.
    chosen = {"caffe.spacing_m"}
    unread = {
        "caffe_mde": {"seeds"},
        "pretraining_comparison": {"seeds"},
        "prepare_store": chosen,
        "score_baselines": chosen,
    }.get(rule, set())
    assert set(RULES[rule].params["cfg"]) == read | unread


@pytest.mark.parametrize("rule", RULES)
def test_a_script_uses_cfg_by_named_keys_only(rule: str) -> None:
    nodes = _nodes(SCRIPTS[rule])
    subscripts = {id(node.value) for node in nodes if _key_of(node)}
    # ``snakemake.params.cfg`` is handed to ``main`` or gets the name ``cfg``, nothing else.
    others = [
        n for n in nodes if isinstance(n, ast.Name) and _is_cfg(n) and id(n) not in subscripts
    ]
    assert [ast.unparse(node) for node in others] == []


#: What takes from the whole configuration things that are no reason to repeat a job: the device,
#: and the addresses and limits of services.
OF_THE_WHOLE = {"ComputeConfig.of_job", "ComputeConfig.of_training", "Services.of_job"}


@pytest.mark.parametrize("rule", RULES)
def test_a_script_sees_the_whole_configuration_for_device_and_services_only(rule: str) -> None:
    nodes = _nodes(SCRIPTS[rule])
    whole = [
        n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n) == "snakemake.config"
    ]
    for_device = [
        node.args[0]
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OF_THE_WHOLE
    ]
    assert {id(node) for node in whole} <= {id(node) for node in for_device}
    # A job cannot read the file either: what reads and holds it all is out of its reach.
    for module in ("loading", "study", "schema"):
        assert rule not in REACHED.get(f"{CONFIG}{module}.py", set())


@pytest.mark.parametrize("rule", RULES)
def test_a_block_is_validated_whole(rule: str) -> None:
    # A part of a block would be filled up with defaults, deaf to the configuration.
    for node in _nodes(SCRIPTS[rule]):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".model_validate"):
            key = _key_of(node.args[0])
            assert key is not None
            assert _annotation(key).__name__ == ast.unparse(node.func).split(".")[0]


def _annotation(key: str) -> type:
    model: type = StudyConfig
    for part in key.split("."):
        model = model.model_fields[part].annotation
    return model


@pytest.mark.parametrize("task", TASKS)
def test_a_pretext_task_gets_its_whole_recipe(task: str) -> None:
    study = open_study(with_values(whole(), {f"{task}.min_scale": 0.8}), [], {}, PROJECT)
    cfg = rules_of(study)[f"pretrain_{task}"].params["cfg"]
    assert set(cfg) == {"model", task}
    assert recipe_of(task, cfg[task]) == getattr(study.config, task)
    assert recipe_of(task, cfg[task]).min_scale == 0.8


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_starting_point_is_the_configured_network(variant: Variant) -> None:
    study = open_study(with_values(fetching(), {"model.dropout": 0.25}), [], {}, PROJECT)
    cfg = rules_of(study)["finetune"].params["cfg"]
    made = TyrionConfig.model_validate(starting_model(cfg["model"], variant, ["some.ckpt"]))
    assert made.weights_file == (None if variant == "none" else "some.ckpt")
    configured = study.config.model.weights
    own = {"none": "none", "imagenet": configured, "checkpoint": configured}
    weights = own.get(variant, "tyrion")
    changed = {"weights": weights, "weights_file": made.weights_file}
    assert made == study.config.model.model_copy(update=changed)


def _below(block: type[Block]) -> set[type[Block]]:
    direct = block.__subclasses__()
    return {*direct, *(deeper for child in direct for deeper in _below(child))}


def test_no_job_makes_a_block_of_its_own() -> None:
    blocks = {block.__name__ for block in _below(Block)}
    assert {"TrainingConfig", "PretextConfig", "OptSimMIMConfig"} <= blocks
    made = {
        (name, node.func.id)
        for name in REACHED
        if not name.startswith(CONFIG)
        for node in _nodes(PROJECT / name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in blocks
    }
    # How validation images are cut follows from the recipe; that its arithmetic, rotations and
    # windows per call are not those of the prediction is said there.
    assert made == {("src/ssl4sar/train/finetune/validation.py", "PredictionConfig")}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_carries_a_key_reads_it(rule: str) -> None:
    files = [n for n, users in REACHED.items() if rule in users and not n.startswith(CONFIG)]
    read = {
        n.attr for file in files for n in _nodes(PROJECT / file) if isinstance(n, ast.Attribute)
    }
    # The order of the seeds, as above; the result's own name is read as ``cfg["name"]``.
    unread = [
        key
        for key in leaves()
        for carried in RULES[rule].params["cfg"]
        if key.startswith(f"{carried}.") and key.rpartition(".")[2] not in read
    ]
    assert unread == [], f"{rule} reruns for them but reads them nowhere"
