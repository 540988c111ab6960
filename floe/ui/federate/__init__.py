"""The view of the group."""
