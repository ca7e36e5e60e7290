"""One grid per glacier: its SAR images, their optical partner, and the dataset made of them."""
