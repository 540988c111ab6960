"""The models view: what answers, what else could, and how it comes here."""
