"""A trained model tried out: what it writes by itself, beside the base."""
