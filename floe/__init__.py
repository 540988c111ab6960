"""Floe: a small language model on this device, fused token by token with one in the cloud."""

__version__ = "0.2.0"
