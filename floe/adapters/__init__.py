"""Adapters: kept, exported, routed to, active."""
