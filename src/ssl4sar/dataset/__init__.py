"""The CaFFe tree: layout, validation, split, resampling, and the memory-mapped training store."""
