"""What the person wrote earlier: the sheet about it, and the chip below an answer."""
