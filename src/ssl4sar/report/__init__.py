"""Pictures of a result: overlays and error plots."""
