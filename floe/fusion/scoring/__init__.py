"""Both models along a given text, and the weight that follows from it."""
