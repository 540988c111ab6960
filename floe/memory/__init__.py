"""Own words at hand: earlier chats, notes and files, found for a prompt and read here alone."""
