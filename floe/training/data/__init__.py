"""Rows from chats: chosen, tokenised, packed."""
