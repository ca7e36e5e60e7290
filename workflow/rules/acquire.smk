# Where scenes and pairs come from: published archives or the scene model. What is fetched runs where
# Snakemake itself runs, since compute nodes often have no internet.


rule download_caffe:
    """Download the official CaFFe archive, resuming where an earlier try stopped."""
    output:
        archive="resources/caffe/data_raw.zip",
        record="resources/caffe/data_raw.zip.json",
        provenance="resources/caffe/data_raw.provenance.json",
    cache: True
    localrule: True
    resources:
        **STUDY.asks("download_caffe", 1000, 240),
    params:
        **STUDY.given("download_caffe", "caffe.url", "caffe.sha256"),
    script:
        "../scripts/download_caffe.py"


rule fetch_weights:
    """Fetch the ImageNet weights of the encoder, so that no training needs the network."""
    output:
        weights="resources/weights/swinv2_tiny_window16_256.safetensors",
        record="resources/weights/swinv2_tiny_window16_256.safetensors.json",
        provenance="resources/weights/swinv2_tiny_window16_256.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("fetch_weights", 1000, 60),
    params:
        **STUDY.given("fetch_weights", "weights.url", "weights.sha256"),
    script:
        "../scripts/fetch_weights.py"


rule extract_caffe:
    """Extract the official CaFFe archive safely and list what came out."""
    input:
        archive=rules.download_caffe.output.archive,
    output:
        folder=directory("resources/caffe/official"),
        listing=shown("resources/caffe/official.json", "extracted"),
        provenance="resources/caffe/official.provenance.json",
    resources:
        **STUDY.asks("extract_caffe", 2000, 60),
    script:
        "../scripts/extract_caffe.py"


rule render_caffe:
    """Render SYNTHETIC scenes in the official layout with the glacier scene model."""
    output:
        folder=directory(f"{STUDY.run}/caffe/rendered"),
        listing=shown(f"{STUDY.run}/caffe/rendered.json", "rendered"),
        provenance=f"{STUDY.run}/caffe/rendered.provenance.json",
    cache: True
    resources:
        **STUDY.asks("render_caffe", 4000, 60),
    params:
        **STUDY.given("render_caffe", "scene"),
    script:
        "../scripts/render_caffe.py"


rule download_ssl4sar:
    """Download the archives of the SSL4SAR dataset, each resuming where an earlier try stopped."""
    output:
        archives=directory("resources/ssl4sar/archives"),
        record=shown("resources/ssl4sar/archives.json", "ssl4sar_archives"),
        provenance="resources/ssl4sar/archives.provenance.json",
    cache: True
    localrule: True
    resources:
        **STUDY.asks("download_ssl4sar", 1000, 720),
    params:
        **STUDY.given("download_ssl4sar", "ssl4sar.record_url"),
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
        listing=shown("resources/ssl4sar/extracted.json", "ssl4sar_extracted"),
        provenance="resources/ssl4sar/extracted.provenance.json",
    resources:
        **STUDY.asks("extract_ssl4sar", 2000, 120),
    script:
        "../scripts/extract_ssl4sar.py"


rule render_pairs:
    """Render SYNTHETIC pairs of SAR and optical images with the glacier scene model."""
    output:
        folder=directory(f"{STUDY.run}/ssl4sar/rendered"),
        listing=shown(f"{STUDY.run}/ssl4sar/rendered.json", "rendered_pairs"),
        provenance=f"{STUDY.run}/ssl4sar/rendered.provenance.json",
    cache: True
    threads: 2
    resources:
        **STUDY.asks("render_pairs", 4000, 60),
    params:
        **STUDY.given("render_pairs", "pair_scene"),
    script:
        "../scripts/render_pairs.py"
