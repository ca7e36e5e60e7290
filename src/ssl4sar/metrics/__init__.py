"""The benchmark on plain arrays: zones to fronts, distances, segmentation scores, subsets."""
