"""The settings view: all that holds for the whole of Floe, and the first steps."""
