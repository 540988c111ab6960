"""Chats and settings in one SQLite file."""

from floe.store.store import SearchHit, Store

__all__ = ["SearchHit", "Store"]
