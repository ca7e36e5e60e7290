# Where the CaFFe scenes come from: the official archive or the scene model.


rule download_caffe:
    """Download the official CaFFe archive, resuming where an earlier try stopped."""
    output:
        archive="resources/caffe/data_raw.zip",
        record="resources/caffe/data_raw.zip.json",
        provenance="resources/caffe/data_raw.provenance.json",
    log:
        "logs/download_caffe.log",
    cache: True
    # Compute nodes often have no internet: this runs where Snakemake itself runs.
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("download_caffe", 1000),
        runtime=STUDY.runtime("download_caffe", 240),
    params:
        source=STUDY.source("download_caffe"),
        cfg=STUDY.cfg("caffe.url", "caffe.sha256"),
    script:
        "../scripts/download_caffe.py"


rule fetch_weights:
    """Fetch the ImageNet weights of the encoder, so that no training needs the network."""
    output:
        weights="resources/weights/swinv2_tiny_window16_256.safetensors",
        record="resources/weights/swinv2_tiny_window16_256.safetensors.json",
        provenance="resources/weights/swinv2_tiny_window16_256.provenance.json",
    log:
        "logs/fetch_weights.log",
    benchmark:
        "benchmarks/results/fetch_weights.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("fetch_weights", 1000),
        runtime=STUDY.runtime("fetch_weights", 60),
    params:
        source=STUDY.source("fetch_weights"),
        cfg=STUDY.cfg("weights.url", "weights.sha256"),
    script:
        "../scripts/fetch_weights.py"


rule extract_caffe:
    """Extract the official CaFFe archive safely and list what came out."""
    input:
        archive=rules.download_caffe.output.archive,
    output:
        folder=directory("resources/caffe/official"),
        listing=report(
            "resources/caffe/official.json",
            category="1 Data",
            subcategory="scenes",
            caption="../report/extracted.rst",
            labels={"what": "files of the official archive"},
        ),
        provenance="resources/caffe/official.provenance.json",
    log:
        "logs/extract_caffe.log",
    benchmark:
        "benchmarks/results/extract_caffe.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("extract_caffe", 2000),
        runtime=STUDY.runtime("extract_caffe", 60),
    params:
        source=STUDY.source("extract_caffe"),
        cfg={},
    script:
        "../scripts/extract_caffe.py"


rule render_caffe:
    """Render SYNTHETIC scenes in the official layout with the glacier scene model."""
    output:
        folder=directory(f"{STUDY.run}/caffe/rendered"),
        listing=report(
            f"{STUDY.run}/caffe/rendered.json",
            category="1 Data",
            subcategory="scenes",
            caption="../report/rendered.rst",
            labels={"what": "files of the rendered tree"},
        ),
        provenance=f"{STUDY.run}/caffe/rendered.provenance.json",
    log:
        f"logs/{STUDY.config.name}/render_caffe.log",
    cache: True
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.mem_mb("render_caffe", 4000),
        runtime=STUDY.runtime("render_caffe", 60),
    params:
        source=STUDY.source("render_caffe"),
        cfg=STUDY.cfg("scene"),
    script:
        "../scripts/render_caffe.py"
