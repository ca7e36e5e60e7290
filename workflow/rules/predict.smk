# Zone maps of the test scenes.


rule predict:
    """Predict the zones of every test scene and store the class probabilities."""
    input:
        model=rules.finetune.output.model,
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        zones=directory(f"{STUDY.run}/predict/{{model}}/{{member}}/zones"),
        probabilities=f"{STUDY.run}/predict/{{model}}/{{member}}/probabilities.npz",
        record=shown(
            f"{STUDY.run}/predict/{{model}}/{{member}}/predictions.json", "predictions"
        ),
        provenance=f"{STUDY.run}/predict/{{model}}/{{member}}/predictions.provenance.json",
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.train_threads
    resources:
        **STUDY.asks("predict", 6000, 120, gpu=STUDY.gpu),
    params:
        **STUDY.given_for_model("predict", "prediction"),
    script:
        "../scripts/predict.py"
