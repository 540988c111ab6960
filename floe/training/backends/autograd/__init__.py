"""A training step by transformers, peft and torch's autograd, on any device that torch knows."""
