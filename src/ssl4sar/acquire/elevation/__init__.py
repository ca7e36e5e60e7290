"""Elevation models from Copernicus DEM GLO-30, and the geoid below them."""
