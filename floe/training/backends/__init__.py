"""Ways to compute a training step."""
