"""Foundations without science: errors, atomic files, images, names and layouts, seeds, hashes."""
