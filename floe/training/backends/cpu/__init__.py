"""A training step by hand-written passes, for a CPU."""
