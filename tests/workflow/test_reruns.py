"""Exactly what changed is run again, shown by real dry runs on a finished study.

One change of each kind: texts, keys of the configuration from data to results, a line that
computes, a parameter of a rule, the content of a product. `docs/reruns.md` says what follows from
each key; `test_rule_keys.py` holds that rules read their keys and no others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dry_runs import Change, differences
from micro_study import (
    COMPARISON,
    NATIVE,
    RENDERED,
    RESULT,
    STORED_IMAGES,
    fine_tuned,
    micro,
    pretrained,
    with_values,
)
from project_copy import House
from reworded import reworded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RESULTS = {"caffe_mde", "pretraining_comparison"}
EVALUATED = {"evaluate_member", *RESULTS}
PREDICTED = {"predict", *EVALUATED}
TRAINED = {"finetune", *PREDICTED}
RENDERED_AGAIN = {
    *("render_caffe", "validate_caffe", "resample_caffe", "prepare_store", "score_baselines"),
    *TRAINED,
}
#: The main result needs no pretraining.
FROM_PRETRAINING = {"pretext_panels", *TRAINED} - {"caffe_mde"}
PAIRS_STORED = {
    *("prepare_pair_store", "pretrain_optsimmim", "pretrain_opttranslator"),
    *FROM_PRETRAINING,
}


def key(expected: set[str], **values: Any) -> Change:
    """Return a change of keys; two underscores stand for a dot."""
    changes = {name.replace("__", "."): value for name, value in values.items()}
    text = yaml.safe_dump(with_values(micro(), changes))
    return Change(f"{changes}", expected, {"config/micro.yaml": text})


def texts(root: Path) -> Mapping[str, str]:
    """Return the program with every message, docstring and comment written otherwise."""
    folders = ("src/ssl4sar", "workflow/scripts")
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    return {path.relative_to(root).as_posix(): reworded(path) for path in paths}


def edit(expected: set[str], *names: str) -> Change:
    """Return an edit of files: a line that computes, a comment or another content."""
    return Change(", ".join(names), expected, dict.fromkeys(names))


#: What a key of each stage repeats; no key of these is read by what is not in the set.
KEYS = (
    key(RENDERED_AGAIN, scene__extent_km=6.0),
    key(PAIRS_STORED, ssl4sar__optical_scale="percentile"),
    key({"pretrain_opttranslator", *FROM_PRETRAINING}, opttranslator__epochs=3),
    key(TRAINED, training__learning_rate=0.003),
    key(PREDICTED, prediction__stride_px=16),
    key({"caffe_mde"}, evaluation__overlay_px=500),
    key({"caffe_mde"}, model="optsimmim"),
    # A seed more, of which nothing is there yet; the others stay.
    key(TRAINED, seeds=[0, 1, 2]),
    key(
        set(),
        compute__train_threads=2,
        sentinel__end="2020-02-03",
        cdse__connections=2,
        elevation__margin_km=7.0,
    ),
)


def test_a_change_repeats_its_users_and_no_others(finished: House) -> None:
    rule = "workflow/rules/evaluate.smk"
    text = (finished.root / rule).read_text(encoding="utf-8")
    script = '    script:\n        "../scripts/evaluate_member.py"\n'
    assert script in text
    given = '    params:\n        **STUDY.given("evaluate_member"),\n        further="value",\n'
    parameter = {rule: text.replace(script, f"{given}{script}")}
    captions = (finished.root / "workflow/report").glob("*.rst")
    changes = [
        Change("nothing", set()),
        Change("all texts of the program", set(), texts(finished.root)),
        edit(
            set(),
            "Snakefile",
            *(path.relative_to(finished.root).as_posix() for path in captions),
            "envs/torch.yaml",
            "workflow/profiles/default/config.yaml",
        ),
        *KEYS,
        # Lines that compute.
        edit({"score_baselines", *EVALUATED}, "src/ssl4sar/metrics/subsets.py"),
        edit(TRAINED, "src/ssl4sar/train/finetune/losses.py"),
        # A network counts where it is used alone, and its settings are parameters.
        edit(TRAINED - {"caffe_mde"}, "src/ssl4sar/models/aspp_unet.py"),
        edit(set(), "src/ssl4sar/config/networks.py"),
        edit({"predict", *EVALUATED}, "workflow/scripts/predict.py"),
        Change("a parameter of evaluate_member", EVALUATED, parameter),
        # Products.
        edit(TRAINED, STORED_IMAGES),
        edit(FROM_PRETRAINING - {"pretext_panels"}, f"{pretrained('optsimmim')}/model.ckpt"),
    ]
    wrong = differences(
        finished.root, changes, "--configfile", finished.config, "--", RESULT, COMPARISON
    )
    assert wrong == []


def test_jobs_of_other_models_stay(finished: House) -> None:
    """Of the rules that run again, only the jobs that start from the changed pretraining do."""
    finished.configure({"optsimmim.learning_rate": 0.25})
    trained = {"finetune": 1, "predict": 1, "evaluate_member": 1}
    gathered = {"pretraining_comparison": 1, "all": 1}
    pretraining = {"pretrain_optsimmim": 1, "pretext_panels": 1}
    assert finished.planned_jobs(target="all") == {**pretraining, **trained, **gathered}
    # A pretraining for each seed: of seed 0 all is there.
    finished.configure({"pretraining.own_seeds": True, "models.optsimmim.seeds": [0, 1]})
    jobs = finished.planned_jobs(target="all")
    # The other row has one seed.
    assert (jobs["pretrain_optsimmim"], jobs.get("pretrain_opttranslator")) == (1, None)
    assert (jobs["finetune"], jobs["predict"], jobs["pretext_panels"]) == (1, 1, 1)
    assert "prepare_pair_store" not in jobs


def test_time_stamps_and_other_runs_count_nothing(finished: House) -> None:
    for folder in ("src", "workflow", "config"):
        for path in (finished.root / folder).rglob("*"):
            os.utime(path)
    for name in (f"{fine_tuned()}/model.ckpt", STORED_IMAGES):
        os.utime(finished.root / name)
    losses = finished.root / "src/ssl4sar/train/finetune/losses.py"
    os.utime(losses, (1, 1))
    assert finished.planned() == set()
    finished.configure({"name": "other"})
    assert "finetune" in finished.planned()
    # And an edit with an old time stamp is seen.
    finished.configure({})
    losses.write_text(losses.read_text(encoding="utf-8") + "EDITED = True\n", encoding="utf-8")
    os.utime(losses, (1, 1))
    assert "finetune" in finished.planned()


def test_an_altered_scene_of_a_local_tree_is_seen(finished: House) -> None:
    root = finished.root / RENDERED
    finished.configure({"caffe.source": "local", "caffe.root": str(root)})
    finished.build(target=NATIVE)
    assert finished.planned(target=NATIVE) == set()
    box = next((root / "bounding_boxes").iterdir())
    status = box.stat()
    box.write_text(box.read_text().replace(".", ".1", 1))
    os.utime(box, ns=(status.st_atime_ns, status.st_mtime_ns - 10**9))
    assert finished.planned(target=NATIVE) == {"validate_caffe"}
