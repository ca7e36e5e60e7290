"""ssl4sar: calving fronts from SAR images, from scene to mean distance error.

Packages follow the data: ``scene`` and ``acquire`` make or fetch it, ``dataset`` orders it,
``models``, ``train`` (pretraining and fine-tuning) and ``predict`` turn it into zone maps,
``metrics`` and ``evaluate`` score them, ``report`` draws them. ``core`` and ``config`` are the
foundations every package may use; ``workflow`` is the only package that knows Snakemake.
"""
