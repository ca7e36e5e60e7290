# Pretraining Tyrion on the two pretext tasks, and pictures of what they learn.


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
        model=f"{STUDY.run}/pretrain/optsimmim/seed{{seed}}/model.ckpt",
        record=report(
            f"{STUDY.run}/pretrain/optsimmim/seed{{seed}}/model.json",
            category="2 Training",
            subcategory="pretraining",
            caption="../report/pretrained.rst",
            labels={
                "what": "the pretrained network",
                "start": "optsimmim",
                "seed": "{seed}",
            },
        ),
        metrics=report(
            f"{STUDY.run}/pretrain/optsimmim/seed{{seed}}/metrics.csv",
            category="2 Training",
            subcategory="pretraining",
            caption="../report/pretrain_metrics.rst",
            labels={"what": "loss per epoch", "start": "optsimmim", "seed": "{seed}"},
        ),
        pictures=f"{STUDY.run}/pretrain/optsimmim/seed{{seed}}/pictures.npz",
        provenance=f"{STUDY.run}/pretrain/optsimmim/seed{{seed}}/model.provenance.json",
    log:
        f"logs/{STUDY.config.name}/pretrain_optsimmim_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/pretrain_optsimmim_seed{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.cost("optsimmim").placement,
        mem_mb=STUDY.mem_mb("pretrain_optsimmim", STUDY.cost("optsimmim").mem_mb),
        runtime=STUDY.runtime("pretrain_optsimmim", STUDY.cost("optsimmim").runtime_min),
        gpu=STUDY.cost("optsimmim").gpus,
        # Folder on a disk of the node to copy the store to, e.g. $TMPDIR; a site's own matter.
        scratch="",
    params:
        source=STUDY.source("pretrain_optsimmim"),
        cfg=STUDY.cfg("model", "optsimmim"),
        # Outside the outputs, which Snakemake deletes before it starts a job again.
        resume=f"{STUDY.run}/resume/pretrain/optsimmim/seed{{seed}}",
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
        model=f"{STUDY.run}/pretrain/opttranslator/seed{{seed}}/model.ckpt",
        record=report(
            f"{STUDY.run}/pretrain/opttranslator/seed{{seed}}/model.json",
            category="2 Training",
            subcategory="pretraining",
            caption="../report/pretrained.rst",
            labels={
                "what": "the pretrained network",
                "start": "opttranslator",
                "seed": "{seed}",
            },
        ),
        metrics=report(
            f"{STUDY.run}/pretrain/opttranslator/seed{{seed}}/metrics.csv",
            category="2 Training",
            subcategory="pretraining",
            caption="../report/pretrain_metrics.rst",
            labels={
                "what": "loss per epoch",
                "start": "opttranslator",
                "seed": "{seed}",
            },
        ),
        pictures=f"{STUDY.run}/pretrain/opttranslator/seed{{seed}}/pictures.npz",
        provenance=f"{STUDY.run}/pretrain/opttranslator/seed{{seed}}/model.provenance.json",
    log:
        f"logs/{STUDY.config.name}/pretrain_opttranslator_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/pretrain_opttranslator_seed{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.cost("opttranslator").placement,
        mem_mb=STUDY.mem_mb(
            "pretrain_opttranslator", STUDY.cost("opttranslator").mem_mb
        ),
        runtime=STUDY.runtime(
            "pretrain_opttranslator", STUDY.cost("opttranslator").runtime_min
        ),
        gpu=STUDY.cost("opttranslator").gpus,
        # Folder on a disk of the node to copy the store to, e.g. $TMPDIR; a site's own matter.
        scratch="",
    params:
        source=STUDY.source("pretrain_opttranslator"),
        cfg=STUDY.cfg("model", "opttranslator"),
        # Outside the outputs, which Snakemake deletes before it starts a job again.
        resume=f"{STUDY.run}/resume/pretrain/opttranslator/seed{{seed}}",
    script:
        "../scripts/pretrain_opttranslator.py"


rule pretext_panels:
    """Draw what a pretext task has learnt: SAR, masked input, predicted and true image."""
    input:
        pictures=f"{STUDY.run}/pretrain/{{task}}/seed{{seed}}/pictures.npz",
    output:
        panels=report(
            f"{STUDY.run}/pretrain/{{task}}/seed{{seed}}_panels/panels.png",
            category="2 Training",
            subcategory="pretraining",
            caption="../report/pretext_panels.rst",
            labels={
                "what": "pictures of the pretext task",
                "start": "{task}",
                "seed": "{seed}",
            },
        ),
        provenance=f"{STUDY.run}/pretrain/{{task}}/seed{{seed}}_panels/panels.provenance.json",
    log:
        f"logs/{STUDY.config.name}/pretext_panels_{{task}}_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/pretext_panels_{{task}}_seed{{seed}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("pretext_panels", 2000),
        runtime=STUDY.runtime("pretext_panels", 30),
    params:
        source=STUDY.source("pretext_panels"),
        cfg={},
    script:
        "../scripts/pretext_panels.py"
