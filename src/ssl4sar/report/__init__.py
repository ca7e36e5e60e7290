"""Pictures: overlays, error plots, training curves, what a pretext task has learnt."""
