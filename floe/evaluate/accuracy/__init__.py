"""Right answers by free generation: local, personal, cloud and fused, on known questions."""
