"""Scoring folders of predictions, trivial baselines, and the result file."""
