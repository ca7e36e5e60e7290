"""The configuration of a run: one pydantic model per block, one file per complete run.

Modules of the science import only the block they use, so that the source digest of a rule (see
``ssl4sar.provenance.digest``) does not change with blocks the rule never reads.
"""
