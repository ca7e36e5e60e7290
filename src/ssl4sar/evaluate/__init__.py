"""Scoring predictions, trivial baselines, the result file, the comparison of starting points."""
