"""Measured quality: bits per byte of the local, personal, cloud and fused models."""
