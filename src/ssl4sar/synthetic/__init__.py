"""The glacier scene model: one seeded world, rendered as labelled SAR scenes and as pairs."""
