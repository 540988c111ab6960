"""Byte strings of three letters, and vocabularies of them, for tests by property."""

from hypothesis import strategies as st

texts = st.binary(min_size=1, max_size=4).map(lambda b: bytes(x % 3 + 97 for x in b))
vocabularies = st.lists(texts, min_size=1, max_size=30, unique=True)
