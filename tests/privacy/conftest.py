"""The fake clock of the fusion tests, for a follower here."""

from tests.fusion.conftest import clock

__all__ = ["clock"]
