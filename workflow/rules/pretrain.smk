# Pretraining on the two pretext tasks, and pictures of what they learn.

OPTSIMMIM = f"{STUDY.run}/pretrain/optsimmim/{{member}}"
OPTTRANSLATOR = f"{STUDY.run}/pretrain/opttranslator/{{member}}"
PANELS = f"{STUDY.run}/pretrain/{{task}}/{{member}}_panels"
PAIRS = {
    "index": rules.prepare_pair_store.output.index,
    "arrays": [
        rules.prepare_pair_store.output.sar,
        rules.prepare_pair_store.output.optical,
    ],
    "manifest": rules.validate_pairs.output.manifest,
    "weights": STUDY.pretrain_weights,
}


rule pretrain_optsimmim:
    """Pretext task 1: the optical pixels under masked SAR tokens; resumes where killed."""
    input:
        **PAIRS,
    output:
        model=f"{OPTSIMMIM}/model.ckpt",
        record=shown(f"{OPTSIMMIM}/model.json", "pretrained"),
        metrics=shown(f"{OPTSIMMIM}/metrics.csv", "pretrain_metrics"),
        pictures=f"{OPTSIMMIM}/pictures.npz",
        provenance=f"{OPTSIMMIM}/model.provenance.json",
    priority: AHEAD
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.asks_for_training("pretrain_optsimmim", "optsimmim"),
    params:
        **STUDY.given(
            "pretrain_optsimmim",
            "pretraining.network",
            "pretraining.weights",
            "optsimmim",
            # Outside the outputs, which Snakemake deletes before it starts a job again.
            resume=f"{STUDY.run}/resume/pretrain/optsimmim/{{member}}",
        ),
    script:
        "../scripts/pretrain_optsimmim.py"


rule pretrain_opttranslator:
    """Pretext task 2: from the SAR image to all optical channels; resumes where killed."""
    input:
        **PAIRS,
    output:
        model=f"{OPTTRANSLATOR}/model.ckpt",
        record=shown(f"{OPTTRANSLATOR}/model.json", "pretrained"),
        metrics=shown(f"{OPTTRANSLATOR}/metrics.csv", "pretrain_metrics"),
        pictures=f"{OPTTRANSLATOR}/pictures.npz",
        provenance=f"{OPTTRANSLATOR}/model.provenance.json",
    priority: AHEAD
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.asks_for_training("pretrain_opttranslator", "opttranslator"),
    params:
        **STUDY.given(
            "pretrain_opttranslator",
            "pretraining.network",
            "pretraining.weights",
            "opttranslator",
            resume=f"{STUDY.run}/resume/pretrain/opttranslator/{{member}}",
        ),
    script:
        "../scripts/pretrain_opttranslator.py"


rule pretext_panels:
    """Draw what a pretext task has learnt, SAR, predicted and true image, and its losses."""
    input:
        pictures=f"{STUDY.run}/pretrain/{{task}}/{{member}}/pictures.npz",
        metrics=f"{STUDY.run}/pretrain/{{task}}/{{member}}/metrics.csv",
    output:
        panels=shown(f"{PANELS}/panels.png", "pretext_panels"),
        losses=shown(f"{PANELS}/losses.png", "pretrain_losses"),
        provenance=f"{PANELS}/panels.provenance.json",
    resources:
        **STUDY.asks("pretext_panels", 2000, 30),
    script:
        "../scripts/pretext_panels.py"
