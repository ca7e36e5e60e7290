"""Applying a trained checkpoint to the scenes of a tree."""
