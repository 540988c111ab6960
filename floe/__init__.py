"""Floe: a small language model on this device, fused token by token with one in the cloud."""

from floe.lean_imports import install_lean_imports

__version__ = "0.2.0"

install_lean_imports()
