"""Pretraining with the pretext tasks: pairs, tiles, pictures."""
