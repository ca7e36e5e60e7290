"""The networks, their blocks and weights, and their application to images of any size."""
