# Zone maps of the test scenes.

PREDICTED = f"{STUDY.run}/predict/{{model}}/{{member}}"


rule predict:
    """Predict the zones of every test scene and store the class probabilities."""
    input:
        model=rules.finetune.output.model,
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        zones=directory(f"{PREDICTED}/zones"),
        probabilities=f"{PREDICTED}/probabilities.npz",
        record=shown(f"{PREDICTED}/predictions.json", "predictions"),
        provenance=f"{PREDICTED}/predictions.provenance.json",
    threads: STUDY.config.compute.train_threads
    resources:
        **STUDY.asks("predict", 6000, 120, gpu=STUDY.gpu),
    params:
        **STUDY.given_for_model("predict", "prediction"),
    script:
        "../scripts/predict.py"
