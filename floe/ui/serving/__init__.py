"""Access to the page, and what it is made of."""
