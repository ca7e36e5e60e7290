"""Foundations without science: errors, atomic files, grey PNGs, CaFFe names, seeds, hashes."""
