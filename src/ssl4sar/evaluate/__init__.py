"""Scoring predictions, trivial baselines, the result file, the comparison of models."""
