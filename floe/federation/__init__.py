"""Sharing adapters in a group: aggregation, clusters, guards, and the Flower app around them."""
