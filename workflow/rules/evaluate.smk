# From zone maps to the mean distance error.


rule evaluate_seed:
    """Extract the fronts of one trained network and score every test scene."""
    input:
        record=rules.predict.output.record,
        # The record holds the hash of every zone map; a folder's time stamp says nothing.
        zones=ancient(rules.predict.output.zones),
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        scores=report(
            f"{STUDY.run}/evaluate/{{variant}}/seed{{seed}}.json",
            category="4 Evaluation",
            caption="../report/scores.rst",
            labels={
                "what": "scores of every test scene",
                "start": "{variant}",
                "seed": "{seed}",
            },
        ),
        fronts=directory(f"{STUDY.run}/evaluate/{{variant}}/seed{{seed}}_fronts"),
        provenance=f"{STUDY.run}/evaluate/{{variant}}/seed{{seed}}.provenance.json",
    log:
        f"logs/{STUDY.config.name}/evaluate_seed_{{variant}}_seed{{seed}}.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/evaluate_seed_{{variant}}_seed{{seed}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("evaluate_seed", 3000),
        runtime=STUDY.runtime("evaluate_seed", 30),
    params:
        source=STUDY.source("evaluate_seed"),
        cfg={},
    script:
        "../scripts/evaluate_seed.py"


rule score_baselines:
    """Score the true zones (the floor) and trivial predictions on the test scenes."""
    input:
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        scores=report(
            f"{STUDY.run}/evaluate/baselines.json",
            category="4 Evaluation",
            caption="../report/baselines.rst",
            labels={
                "what": "floor of the labels and trivial baselines",
                "start": "-",
                "seed": "none",
            },
        ),
        provenance=f"{STUDY.run}/evaluate/baselines.provenance.json",
    log:
        f"logs/{STUDY.config.name}/score_baselines.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/score_baselines.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("score_baselines", 3000),
        runtime=STUDY.runtime("score_baselines", 60),
    params:
        source=STUDY.source("score_baselines"),
        # Not read, as in prepare_store.
        cfg=STUDY.cfg("caffe.spacing_m"),
    script:
        "../scripts/score_baselines.py"


rule caffe_mde:
    """Gather the seeds into the result file, its table and its pictures."""
    input:
        scores=STUDY.of_seeds("evaluate/{variant}/seed{seed}.json"),
        fronts=ancient(STUDY.of_seeds("evaluate/{variant}/seed{seed}_fronts")),
        zones=ancient(STUDY.of_seeds("predict/{variant}/seed{seed}/zones")),
        metrics=STUDY.of_seeds("finetune/{variant}/seed{seed}/metrics.csv"),
        models=STUDY.of_seeds("finetune/{variant}/seed{seed}/model.json"),
        baselines=rules.score_baselines.output.scores,
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        result=report(
            "results/caffe_mde.json",
            category="5 Result",
            subcategory="numbers",
            caption="../report/caffe_mde.rst",
            labels={"what": "mean distance error and all metrics"},
        ),
        table=report(
            "results/caffe_mde.csv",
            category="5 Result",
            subcategory="numbers",
            caption="../report/table.rst",
            labels={"what": "scores per scene and seed"},
        ),
        scenes=report(
            "results/caffe_mde_scenes.png",
            category="5 Result",
            subcategory="pictures",
            caption="../report/scenes.rst",
            labels={"what": "a good, a median and the worst scene"},
        ),
        errors=report(
            "results/caffe_mde_errors.png",
            category="5 Result",
            subcategory="pictures",
            caption="../report/errors.rst",
            labels={"what": "front errors"},
        ),
        training=report(
            "results/caffe_mde_training.png",
            category="2 Training",
            subcategory="all seeds",
            caption="../report/training.rst",
            labels={"what": "loss and validation scores", "seed": "all"},
        ),
        overlays=report(
            directory("results/caffe_mde_overlays"),
            patterns=["{scene}.png"],
            category="5 Result",
            subcategory="overlays",
            caption="../report/overlays.rst",
            labels={"scene": "{scene}"},
        ),
        provenance="results/caffe_mde.provenance.json",
    log:
        f"logs/{STUDY.config.name}/caffe_mde.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/caffe_mde.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("caffe_mde", 4000),
        runtime=STUDY.runtime("caffe_mde", 60),
    params:
        source=STUDY.source("caffe_mde"),
        cfg=STUDY.cfg("name", "seeds", "pretraining.variant", "evaluation"),
    script:
        "../scripts/caffe_mde.py"


rule pretraining_comparison:
    """Compare the starting points of the fine-tuning on the same test scenes."""
    input:
        scores=STUDY.of_compared("evaluate/{variant}/seed{seed}.json"),
        models=STUDY.of_compared("finetune/{variant}/seed{seed}/model.json"),
        panels=STUDY.of_pretrainings("pretrain/{task}/seed{seed}_panels/panels.png"),
        baselines=rules.score_baselines.output.scores,
        manifest=STUDY.tree_manifest,
    output:
        comparison=report(
            "results/pretraining_comparison.json",
            category="5 Result",
            subcategory="starting points",
            caption="../report/pretraining_comparison.rst",
            labels={"what": "all starting points with their statistics"},
        ),
        table=report(
            "results/pretraining_comparison.csv",
            category="5 Result",
            subcategory="starting points",
            caption="../report/pretraining_table.rst",
            labels={"what": "scores per starting point and seed"},
        ),
        figure=report(
            "results/pretraining_comparison.png",
            category="5 Result",
            subcategory="starting points",
            caption="../report/pretraining_figure.rst",
            labels={"what": "scores of all runs"},
        ),
        provenance="results/pretraining_comparison.provenance.json",
    log:
        f"logs/{STUDY.config.name}/pretraining_comparison.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/pretraining_comparison.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("pretraining_comparison", 2000),
        runtime=STUDY.runtime("pretraining_comparison", 30),
    params:
        source=STUDY.source("pretraining_comparison"),
        cfg=STUDY.cfg("name", "seeds", "pretraining.compare", "model.weights"),
    script:
        "../scripts/pretraining_comparison.py"
