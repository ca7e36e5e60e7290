# Zone maps of the test scenes.


rule predict:
    """Predict the zones of every test scene and keep the class probabilities."""
    input:
        model=rules.finetune.output.model,
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        zones=directory(f"{STUDY.run}/predict/{{variant}}/seed{{seed}}/zones"),
        probabilities=f"{STUDY.run}/predict/{{variant}}/seed{{seed}}/probabilities.npz",
        record=report(
            f"{STUDY.run}/predict/{{variant}}/seed{{seed}}/predictions.json",
            category="3 Prediction",
            caption="../report/predictions.rst",
            labels={
                "what": "zone maps of the test scenes",
                "start": "{variant}",
                "seed": "{seed}",
            },
        ),
        provenance=f"{STUDY.run}/predict/{{variant}}/seed{{seed}}/predictions.provenance.json",
    log:
        f"logs/{STUDY.config.name}/predict_{{variant}}_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/predict_{{variant}}_seed{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: STUDY.config.compute.train_threads
    resources:
        mem_mb=STUDY.mem_mb("predict", 6000),
        runtime=STUDY.runtime("predict", 120),
        gpu=STUDY.gpu,
    params:
        source=STUDY.source("predict"),
        cfg=STUDY.cfg("prediction"),
    script:
        "../scripts/predict.py"
