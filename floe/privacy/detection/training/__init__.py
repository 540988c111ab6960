"""Trains the classifier of private matters; never imported by the program itself."""
