# Where scenes and pairs come from: published archives or the scene model.


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


rule download_ssl4sar:
    """Download the archives of the SSL4SAR dataset, each going on where an earlier try stopped."""
    output:
        archives=directory("resources/ssl4sar/archives"),
        record=report(
            "resources/ssl4sar/archives.json",
            category="1 Data",
            subcategory="pretraining",
            caption="../report/ssl4sar_archives.rst",
            labels={"what": "archives of SSL4SAR as fetched"},
        ),
        provenance="resources/ssl4sar/archives.provenance.json",
    log:
        "logs/download_ssl4sar.log",
    cache: True
    # Compute nodes often have no internet: this runs where Snakemake itself runs.
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("download_ssl4sar", 1000),
        runtime=STUDY.runtime("download_ssl4sar", 720),
    params:
        source=STUDY.source("download_ssl4sar"),
        cfg=STUDY.cfg("ssl4sar.record_url"),
    script:
        "../scripts/download_ssl4sar.py"


rule extract_ssl4sar:
    """Extract the archives of SSL4SAR safely into the published layout and list what came out."""
    input:
        record=rules.download_ssl4sar.output.record,
        # The record holds the hash of every archive; a folder's time stamp says nothing.
        archives=ancient(rules.download_ssl4sar.output.archives),
    output:
        folder=directory("resources/ssl4sar/extracted"),
        listing=report(
            "resources/ssl4sar/extracted.json",
            category="1 Data",
            subcategory="pretraining",
            caption="../report/ssl4sar_extracted.rst",
            labels={"what": "files of the SSL4SAR archives"},
        ),
        provenance="resources/ssl4sar/extracted.provenance.json",
    log:
        "logs/extract_ssl4sar.log",
    benchmark:
        "benchmarks/results/extract_ssl4sar.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("extract_ssl4sar", 2000),
        runtime=STUDY.runtime("extract_ssl4sar", 120),
    params:
        source=STUDY.source("extract_ssl4sar"),
        cfg={},
    script:
        "../scripts/extract_ssl4sar.py"


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
