"""Aggregation, clustering, noise and its accounting."""
