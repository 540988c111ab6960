"""Floe: a small language model on this device, fused token by token with one in the cloud."""

import os

from floe.lean_imports import install_lean_imports
from floe.spinning_threads import bound_spinning

__version__ = "0.2.0"

bound_spinning(os.environ)
install_lean_imports()
