"""Products in SAFE format: their manifests, files and verification."""
