"""The black box: an OpenAI-compatible endpoint, and a stand-in for one."""
