"""Measured speed: one JSON line a benchmark, each figure beside a reference of the same run."""
