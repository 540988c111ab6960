"""What is private: found, decided upon, renamed, and what was sent. No model, no network."""
