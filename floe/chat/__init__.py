"""One conversation: its turns, how they are kept, what the person last set."""
