"""Work on all data at once, while nobody has it open."""
