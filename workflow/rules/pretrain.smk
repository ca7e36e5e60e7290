# Pretraining on the two pretext tasks, and pictures of what they learn.


rule pretrain_optsimmim:
    """Pretext task 1: the optical pixels under masked SAR tokens; resumes where killed."""
    input:
        index=rules.prepare_pair_store.output.index,
        arrays=[
            rules.prepare_pair_store.output.sar,
            rules.prepare_pair_store.output.optical,
        ],
        manifest=rules.validate_pairs.output.manifest,
        weights=STUDY.pretrain_weights,
    output:
        model=f"{STUDY.run}/pretrain/optsimmim/{{member}}/model.ckpt",
        record=shown(
            f"{STUDY.run}/pretrain/optsimmim/{{member}}/model.json", "pretrained"
        ),
        metrics=shown(
            f"{STUDY.run}/pretrain/optsimmim/{{member}}/metrics.csv",
            "pretrain_metrics",
        ),
        pictures=f"{STUDY.run}/pretrain/optsimmim/{{member}}/pictures.npz",
        provenance=f"{STUDY.run}/pretrain/optsimmim/{{member}}/model.provenance.json",
    conda:
        "../../envs/torch.yaml"
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
        index=rules.prepare_pair_store.output.index,
        arrays=[
            rules.prepare_pair_store.output.sar,
            rules.prepare_pair_store.output.optical,
        ],
        manifest=rules.validate_pairs.output.manifest,
        weights=STUDY.pretrain_weights,
    output:
        model=f"{STUDY.run}/pretrain/opttranslator/{{member}}/model.ckpt",
        record=shown(
            f"{STUDY.run}/pretrain/opttranslator/{{member}}/model.json", "pretrained"
        ),
        metrics=shown(
            f"{STUDY.run}/pretrain/opttranslator/{{member}}/metrics.csv",
            "pretrain_metrics",
        ),
        pictures=f"{STUDY.run}/pretrain/opttranslator/{{member}}/pictures.npz",
        provenance=f"{STUDY.run}/pretrain/opttranslator/{{member}}/model.provenance.json",
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.asks_for_training("pretrain_opttranslator", "opttranslator"),
    params:
        **STUDY.given(
            "pretrain_opttranslator",
            "pretraining.network",
            "pretraining.weights",
            "opttranslator",
            # Outside the outputs, which Snakemake deletes before it starts a job again.
            resume=f"{STUDY.run}/resume/pretrain/opttranslator/{{member}}",
        ),
    script:
        "../scripts/pretrain_opttranslator.py"


rule pretext_panels:
    """Draw what a pretext task has learnt: SAR, masked input, predicted and true image."""
    input:
        pictures=f"{STUDY.run}/pretrain/{{task}}/{{member}}/pictures.npz",
    output:
        panels=shown(
            f"{STUDY.run}/pretrain/{{task}}/{{member}}_panels/panels.png",
            "pretext_panels",
        ),
        provenance=f"{STUDY.run}/pretrain/{{task}}/{{member}}_panels/panels.provenance.json",
    resources:
        **STUDY.asks("pretext_panels", 2000, 30),
    params:
        **STUDY.given("pretext_panels"),
    script:
        "../scripts/pretext_panels.py"
