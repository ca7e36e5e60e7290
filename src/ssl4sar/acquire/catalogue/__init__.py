"""From a catalogue to a frozen inventory: search, duplicates, choice of the optical image."""
