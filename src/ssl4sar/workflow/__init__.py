"""The side that touches Snakemake: source digests, fingerprints, job logging."""
