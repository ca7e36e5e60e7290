"""The training loop that all tasks share: data, steps, checkpoints, time limit."""
