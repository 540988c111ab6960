"""Who gets in, and what they are given."""
