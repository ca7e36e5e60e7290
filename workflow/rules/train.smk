# Fine-tuning, one job per model and member.

TRAINED = f"{STUDY.run}/finetune/{{model}}/{{member}}"


rule finetune:
    """Fine-tune a model from its starting weights; resumes where a killed job stopped."""
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
        model=f"{TRAINED}/model.ckpt",
        record=shown(f"{TRAINED}/model.json", "model"),
        metrics=shown(f"{TRAINED}/metrics.csv", "metrics"),
        provenance=f"{TRAINED}/model.provenance.json",
    threads: STUDY.config.compute.threads_per_task
    resources:
        **STUDY.asks_for_training("finetune"),
    params:
        **STUDY.given_for_model(
            "finetune",
            "models.{model}.network",
            "models.{model}.weights",
            "models.{model}.recipe",
            "prediction.centre_px",
            "prediction.sigma_px",
            resume=f"{STUDY.run}/resume/finetune/{{model}}/{{member}}",
        ),
    script:
        "../scripts/finetune.py"
