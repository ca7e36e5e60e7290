"""Orbit files of Sentinel-1: which one belongs to a product, and what it holds."""
