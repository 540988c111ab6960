"""Requests to the cloud, and the meaning of its chunks."""
