"""Flower's two apps, the strategy, and what they say to each other."""
