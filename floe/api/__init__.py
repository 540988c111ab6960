"""The fused assistant for other programs: an OpenAI-compatible endpoint on loopback."""
