# Where the pairs of SAR and optical images for the pretraining come from.


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
