"""The CaFFe tree: validation, split, resampling, and the memory-mapped training store."""
