"""The glacier scene model: one seeded world, rendered as SAR scenes with their labels."""
