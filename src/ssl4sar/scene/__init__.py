"""The glacier scene model: one seeded world, rendered as CaFFe-like SAR scenes with their labels."""
