"""How other programs write chats, one module a program."""
