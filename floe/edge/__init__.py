"""The small model on this device."""
