"""Hosting and joining a group."""
