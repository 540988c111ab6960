"""Known services, their keys, and which is in use."""
