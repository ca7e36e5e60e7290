"""The benchmark's arithmetic on plain arrays: zones to fronts, distances, segmentation scores, subsets."""
