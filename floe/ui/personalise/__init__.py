"""The view in which the local model learns."""
