# From pairs of SAR and optical images to the arrays that the pretraining reads.


rule render_pairs:
    """Render SYNTHETIC pairs of SAR and optical images with the glacier scene model."""
    output:
        folder=directory(f"{STUDY.run}/ssl4sar/rendered"),
        listing=report(
            f"{STUDY.run}/ssl4sar/rendered.json",
            category="1 Data",
            subcategory="pretraining",
            caption="../report/rendered_pairs.rst",
            labels={"what": "files of the rendered pairs"},
        ),
        provenance=f"{STUDY.run}/ssl4sar/rendered.provenance.json",
    log:
        f"logs/{STUDY.config.name}/render_pairs.log",
    cache: True
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("render_pairs", 4000),
        runtime=STUDY.runtime("render_pairs", 60),
    params:
        source=STUDY.source("render_pairs"),
        cfg=STUDY.cfg("pair_scene"),
    script:
        "../scripts/render_pairs.py"


rule validate_pairs:
    """Check every pair of SAR and optical images and write their manifest."""
    input:
        listing=STUDY.pair_listing,
        # Tracked by its listing or its fingerprint: a folder's time stamp says nothing.
        tree=ancient(STUDY.pair_tree),
    output:
        manifest=f"{STUDY.run}/ssl4sar/dataset.json",
        report=report(
            f"{STUDY.run}/ssl4sar/validation.json",
            category="1 Data",
            subcategory="pretraining",
            caption="../report/pair_validation.rst",
            labels={"what": "validation of the pairs"},
        ),
        provenance=f"{STUDY.run}/ssl4sar/dataset.provenance.json",
    log:
        text=f"logs/{STUDY.config.name}/validate_pairs.log",
        # Outputs of a failed job are deleted; the list of problems is needed just then.
        problems=f"logs/{STUDY.config.name}/validate_pairs.json",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/validate_pairs.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("validate_pairs", 4000),
        runtime=STUDY.runtime("validate_pairs", 60),
    params:
        source=STUDY.source("validate_pairs"),
        cfg=STUDY.cfg(
            "ssl4sar.source",
            "ssl4sar.root",
            "ssl4sar.test_glaciers",
            "ssl4sar.allow_test_glaciers",
        ),
        content=STUDY.pair_content,
    script:
        "../scripts/validate_pairs.py"


rule prepare_pair_store:
    """Decode the pairs once into flat arrays that are memory-mapped."""
    input:
        manifest=rules.validate_pairs.output.manifest,
        tree=ancient(STUDY.pair_tree),
    output:
        index=report(
            f"{STUDY.run}/pair_store/index.json",
            category="1 Data",
            subcategory="pretraining",
            caption="../report/pair_store.rst",
            labels={"what": "index of the pair store"},
        ),
        sar=f"{STUDY.run}/pair_store/sar.u8",
        optical=f"{STUDY.run}/pair_store/optical.u8",
        provenance=f"{STUDY.run}/pair_store/index.provenance.json",
    log:
        f"logs/{STUDY.config.name}/prepare_pair_store.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/prepare_pair_store.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("prepare_pair_store", 4000),
        runtime=STUDY.runtime("prepare_pair_store", 60),
    params:
        source=STUDY.source("prepare_pair_store"),
        cfg=STUDY.cfg("ssl4sar.optical_scale"),
    script:
        "../scripts/prepare_pair_store.py"
