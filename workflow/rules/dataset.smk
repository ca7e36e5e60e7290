# From images in folders to the arrays that trainings read.


rule validate_caffe:
    """Check every file of the CaFFe tree and write its manifest."""
    input:
        listing=STUDY.raw_listing,
        # Tracked by its listing or its fingerprint: a folder's time stamp says nothing.
        tree=ancient(STUDY.raw_tree),
    output:
        manifest=f"{STUDY.run}/caffe/native.json",
        report=report(
            f"{STUDY.run}/caffe/validation.json",
            category="1 Data",
            subcategory="scenes",
            caption="../report/validation.rst",
            labels={"what": "validation of the CaFFe tree"},
        ),
        provenance=f"{STUDY.run}/caffe/native.provenance.json",
    log:
        text=f"logs/{STUDY.config.name}/validate_caffe.log",
        # Outputs of a failed job are deleted; the list of problems is needed just then.
        problems=f"logs/{STUDY.config.name}/validate_caffe.json",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/validate_caffe.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("validate_caffe", 3000),
        runtime=STUDY.runtime("validate_caffe", 30),
    params:
        source=STUDY.source("validate_caffe"),
        cfg=STUDY.cfg("caffe.source", "caffe.root"),
        content=STUDY.raw_content,
    script:
        "../scripts/validate_caffe.py"


rule resample_caffe:
    """Resample the CaFFe tree to one pixel size."""
    input:
        manifest=rules.validate_caffe.output.manifest,
        tree=ancient(STUDY.raw_tree),
    output:
        folder=directory(f"{STUDY.run}/caffe/resampled"),
        manifest=report(
            f"{STUDY.run}/caffe/resampled.json",
            category="1 Data",
            subcategory="scenes",
            caption="../report/resampled.rst",
            labels={"what": "manifest of the resampled tree"},
        ),
        provenance=f"{STUDY.run}/caffe/resampled.provenance.json",
    log:
        f"logs/{STUDY.config.name}/resample_caffe.log",
    cache: True
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("resample_caffe", 4000),
        runtime=STUDY.runtime("resample_caffe", 60),
    params:
        source=STUDY.source("resample_caffe"),
        cfg=STUDY.cfg("caffe.spacing_m"),
    script:
        "../scripts/resample_caffe.py"


rule prepare_store:
    """Decode the training scenes once into flat arrays that are memory-mapped."""
    input:
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        index=report(
            f"{STUDY.run}/store/index.json",
            category="1 Data",
            subcategory="training store",
            caption="../report/store.rst",
            labels={"what": "index of the training store"},
        ),
        images=f"{STUDY.run}/store/images.u8",
        zones=f"{STUDY.run}/store/zones.u8",
        fronts=f"{STUDY.run}/store/fronts.u8",
        provenance=f"{STUDY.run}/store/index.provenance.json",
    log:
        f"logs/{STUDY.config.name}/prepare_store.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/prepare_store.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("prepare_store", 2000),
        runtime=STUDY.runtime("prepare_store", 30),
    params:
        source=STUDY.source("prepare_store"),
        cfg=STUDY.cfg(
            # Not read: it chooses the tree, so that an audit can tell that another one is wanted.
            "caffe.spacing_m",
            "caffe.validation_fraction",
            "caffe.validation_seed",
        ),
    script:
        "../scripts/prepare_store.py"


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
            "ssl4sar.leave_out",
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
