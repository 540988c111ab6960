"""The small model on this device: llama.cpp, its vocabulary, its prompt."""
