# From zone maps to the mean distance error.


rule evaluate_member:
    """Extract the fronts of one trained network and score every test scene."""
    input:
        record=rules.predict.output.record,
        # The record holds the hash of every zone map; a folder's time stamp says nothing.
        zones=ancient(rules.predict.output.zones),
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        scores=shown(f"{STUDY.run}/evaluate/{{model}}/{{member}}.json", "scores"),
        fronts=directory(f"{STUDY.run}/evaluate/{{model}}/{{member}}_fronts"),
        provenance=f"{STUDY.run}/evaluate/{{model}}/{{member}}.provenance.json",
    threads: 2
    resources:
        **STUDY.asks("evaluate_member", 3000, 30),
    script:
        "../scripts/evaluate_member.py"


rule score_baselines:
    """Score the true zones (the floor) and trivial predictions on the test scenes."""
    input:
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        scores=shown(f"{STUDY.run}/evaluate/baselines.json", "baselines"),
        provenance=f"{STUDY.run}/evaluate/baselines.provenance.json",
    resources:
        **STUDY.asks("score_baselines", 3000, 60),
    params:
        **STUDY.given("score_baselines", "caffe.spacing_m"),
    script:
        "../scripts/score_baselines.py"


rule caffe_mde:
    """Gather the members of a model into the result file, its table and its pictures."""
    input:
        scores=STUDY.of_model("evaluate/{model}/{member}.json"),
        fronts=ancient(STUDY.of_model("evaluate/{model}/{member}_fronts")),
        zones=ancient(STUDY.of_model("predict/{model}/{member}/zones")),
        metrics=STUDY.of_model("finetune/{model}/{member}/metrics.csv"),
        models=STUDY.of_model("finetune/{model}/{member}/model.json"),
        predictions=STUDY.of_model("predict/{model}/{member}/predictions.json"),
        panels=STUDY.of_pretrainings(
            "pretrain/{task}/{member}_panels/panels.png", [STUDY.config.main]
        ),
        baselines=rules.score_baselines.output.scores,
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        result=shown("results/caffe_mde.json", "caffe_mde"),
        table=shown("results/caffe_mde.csv", "table"),
        scenes=shown("results/caffe_mde_scenes.png", "scenes"),
        errors=shown("results/caffe_mde_errors.png", "errors"),
        training=shown("results/caffe_mde_training.png", "training"),
        overlays=shown(directory("results/caffe_mde_overlays"), "overlays"),
        provenance="results/caffe_mde.provenance.json",
    resources:
        **STUDY.asks("caffe_mde", 4000, 60),
    params:
        **STUDY.given("caffe_mde", "name", "model", STUDY.seeds_key(), "evaluation"),
    script:
        "../scripts/caffe_mde.py"


rule pretraining_comparison:
    """Compare models, which differ in their starting weights, on the same test scenes."""
    input:
        scores=STUDY.of_compared("evaluate/{model}/{member}.json"),
        models=STUDY.of_compared("finetune/{model}/{member}/model.json"),
        predictions=STUDY.of_compared("predict/{model}/{member}/predictions.json"),
        panels=STUDY.of_pretrainings("pretrain/{task}/{member}_panels/panels.png"),
        baselines=rules.score_baselines.output.scores,
        manifest=STUDY.tree_manifest,
    output:
        comparison=shown(
            "results/pretraining_comparison.json", "pretraining_comparison"
        ),
        table=shown("results/pretraining_comparison.csv", "pretraining_table"),
        figure=shown("results/pretraining_comparison.png", "pretraining_figure"),
        provenance="results/pretraining_comparison.provenance.json",
    resources:
        **STUDY.asks("pretraining_comparison", 2000, 30),
    params:
        **STUDY.given(
            "pretraining_comparison",
            "name",
            "compare",
            *map(STUDY.seeds_key, STUDY.config.compared),
        ),
    script:
        "../scripts/pretraining_comparison.py"
