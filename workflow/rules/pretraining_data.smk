# Where the pairs of SAR and optical images for the pretraining come from.


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
