"""An OpenAI-compatible server over any GGUF, in a process of its own."""
