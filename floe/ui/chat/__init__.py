"""The conversation in view: its rows, tokens, list and controls."""
