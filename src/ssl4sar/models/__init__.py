"""The networks of all tasks, their blocks and weights, and their use on images of any size."""
