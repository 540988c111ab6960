"""The view of what leaves, what left, and all data."""
