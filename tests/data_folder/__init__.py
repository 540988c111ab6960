"""What is done to a data folder as a whole."""
