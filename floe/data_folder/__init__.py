"""What is done to all data at once, while nobody has it open."""
