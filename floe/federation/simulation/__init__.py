"""A whole group in one process."""
