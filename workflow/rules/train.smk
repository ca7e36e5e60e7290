# Fine-tuning Tyrion, one job per seed.


rule finetune:
    """Fine-tune Tyrion on the training scenes; resumes where a killed job stopped."""
    input:
        index=rules.prepare_store.output.index,
        arrays=[
            rules.prepare_store.output.images,
            rules.prepare_store.output.zones,
            rules.prepare_store.output.fronts,
        ],
        weights=STUDY.weights_files,
    output:
        model=f"{STUDY.run}/finetune/seed{{seed}}/model.ckpt",
        record=report(
            f"{STUDY.run}/finetune/seed{{seed}}/model.json",
            category="2 Training",
            subcategory="seed {seed}",
            caption="../report/model.rst",
            labels={"what": "the exported network", "seed": "{seed}"},
        ),
        metrics=report(
            f"{STUDY.run}/finetune/seed{{seed}}/metrics.csv",
            category="2 Training",
            subcategory="seed {seed}",
            caption="../report/metrics.rst",
            labels={"what": "metrics per epoch", "seed": "{seed}"},
        ),
        provenance=f"{STUDY.run}/finetune/seed{{seed}}/model.provenance.json",
    log:
        f"logs/{STUDY.config.name}/finetune_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/finetune_seed{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.train_placement,
        mem_mb=STUDY.mem_mb("finetune", STUDY.train_mem_mb),
        runtime=STUDY.runtime("finetune", STUDY.train_runtime_min),
        gpu=STUDY.train_gpus,
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
        resume=f"{STUDY.run}/resume/seed{{seed}}",
    script:
        "../scripts/finetune.py"
