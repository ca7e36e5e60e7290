"""From a raw Sentinel-1 product to a calibrated, geocoded image of a glacier."""
