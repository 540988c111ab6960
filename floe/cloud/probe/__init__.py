"""Find out what an endpoint can do, and judge it."""
