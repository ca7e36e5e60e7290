# From images in folders to the arrays that trainings read.


rule validate_caffe:
    """Check every file of the CaFFe tree and write its manifest."""
    input:
        listing=STUDY.raw_listing,
        # Tracked by its listing or its fingerprint: a folder's time stamp says nothing.
        tree=ancient(STUDY.raw_tree),
    output:
        manifest=f"{STUDY.run}/caffe/native.json",
        report=shown(f"{STUDY.run}/caffe/validation.json", "validation"),
        provenance=f"{STUDY.run}/caffe/native.provenance.json",
    log:
        text=f"logs/{STUDY.config.name}/validate_caffe.log",
        # Outputs of a failed job are deleted; the list of problems is needed just then.
        problems=f"logs/{STUDY.config.name}/validate_caffe.json",
    threads: 2
    resources:
        **STUDY.asks("validate_caffe", 3000, 30),
    params:
        **STUDY.given(
            "validate_caffe",
            "caffe.source",
            "caffe.root",
            "caffe.test_glaciers",
            content=STUDY.raw_content,
        ),
    script:
        "../scripts/validate_caffe.py"


rule resample_caffe:
    """Resample the CaFFe tree to one pixel size."""
    input:
        manifest=rules.validate_caffe.output.manifest,
        tree=ancient(STUDY.raw_tree),
    output:
        folder=directory(f"{STUDY.run}/caffe/resampled"),
        manifest=shown(f"{STUDY.run}/caffe/resampled.json", "resampled"),
        provenance=f"{STUDY.run}/caffe/resampled.provenance.json",
    cache: True
    threads: 2
    resources:
        **STUDY.asks("resample_caffe", 4000, 60),
    params:
        **STUDY.given("resample_caffe", "caffe.spacing_m"),
    script:
        "../scripts/resample_caffe.py"


rule prepare_store:
    """Decode the training scenes once into flat arrays that are memory-mapped."""
    input:
        manifest=STUDY.tree_manifest,
        tree=ancient(STUDY.tree),
    output:
        index=shown(f"{STUDY.run}/store/index.json", "store"),
        images=f"{STUDY.run}/store/images.u8",
        zones=f"{STUDY.run}/store/zones.u8",
        fronts=f"{STUDY.run}/store/fronts.u8",
        provenance=f"{STUDY.run}/store/index.provenance.json",
    resources:
        **STUDY.asks("prepare_store", 2000, 30),
    params:
        **STUDY.given(
            "prepare_store",
            # Not read: it chooses the tree, so that an audit sees that another one is wanted.
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
        tree=ancient(STUDY.pair_tree),
    output:
        manifest=f"{STUDY.run}/ssl4sar/dataset.json",
        report=shown(f"{STUDY.run}/ssl4sar/validation.json", "pair_validation"),
        provenance=f"{STUDY.run}/ssl4sar/dataset.provenance.json",
    log:
        text=f"logs/{STUDY.config.name}/validate_pairs.log",
        problems=f"logs/{STUDY.config.name}/validate_pairs.json",
    priority: AHEAD
    resources:
        **STUDY.asks("validate_pairs", 4000, 60),
    params:
        **STUDY.given(
            "validate_pairs",
            "ssl4sar.source",
            "ssl4sar.root",
            "ssl4sar.test_glaciers",
            "ssl4sar.allow_test_glaciers",
            "ssl4sar.leave_out",
            "caffe.test_glaciers",
            content=STUDY.pair_content,
        ),
    script:
        "../scripts/validate_pairs.py"


rule prepare_pair_store:
    """Decode the pairs once into flat arrays that are memory-mapped."""
    input:
        manifest=rules.validate_pairs.output.manifest,
        tree=ancient(STUDY.pair_tree),
    output:
        index=shown(f"{STUDY.run}/pair_store/index.json", "pair_store"),
        sar=f"{STUDY.run}/pair_store/sar.u8",
        optical=f"{STUDY.run}/pair_store/optical.u8",
        provenance=f"{STUDY.run}/pair_store/index.provenance.json",
    priority: AHEAD
    resources:
        **STUDY.asks("prepare_pair_store", 4000, 60),
    params:
        **STUDY.given("prepare_pair_store", "ssl4sar.optical_scale"),
    script:
        "../scripts/prepare_pair_store.py"
