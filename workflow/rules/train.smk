# Fine-tuning Tyrion, one job per starting point and seed.


rule finetune:
    """Fine-tune Tyrion from a starting point; resumes where a killed job stopped."""
    input:
        index=rules.prepare_store.output.index,
        arrays=[
            rules.prepare_store.output.images,
            rules.prepare_store.output.zones,
            rules.prepare_store.output.fronts,
        ],
        weights=STUDY.finetune_weights,
        pretrained=STUDY.pretraining_record,
    output:
        model=f"{STUDY.run}/finetune/{{variant}}/seed{{seed}}/model.ckpt",
        record=report(
            f"{STUDY.run}/finetune/{{variant}}/seed{{seed}}/model.json",
            category="2 Training",
            subcategory="{variant}, seed {seed}",
            caption="../report/model.rst",
            labels={
                "what": "the exported network",
                "start": "{variant}",
                "seed": "{seed}",
            },
        ),
        metrics=report(
            f"{STUDY.run}/finetune/{{variant}}/seed{{seed}}/metrics.csv",
            category="2 Training",
            subcategory="{variant}, seed {seed}",
            caption="../report/metrics.rst",
            labels={
                "what": "metrics per epoch",
                "start": "{variant}",
                "seed": "{seed}",
            },
        ),
        provenance=f"{STUDY.run}/finetune/{{variant}}/seed{{seed}}/model.provenance.json",
    log:
        f"logs/{STUDY.config.name}/finetune_{{variant}}_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/finetune_{{variant}}_seed{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.cost("training").placement,
        mem_mb=STUDY.mem_mb("finetune", STUDY.cost("training").mem_mb),
        runtime=STUDY.runtime("finetune", STUDY.cost("training").runtime_min),
        gpu=STUDY.cost("training").gpus,
        # Folder on a disk of the node to copy the store to, e.g. $TMPDIR; a site's own matter.
        scratch="",
    params:
        source=STUDY.source("finetune"),
        cfg=STUDY.cfg(
            "model",
            "training",
            "prediction.centre_px",
            "prediction.sigma_px",
        ),
        # Outside the outputs, which Snakemake deletes before it starts a job again.
        resume=f"{STUDY.run}/resume/finetune/{{variant}}/seed{{seed}}",
    script:
        "../scripts/finetune.py"
