"""Lossy transforms of weights: a file and a row of the registry each. Knows no file format."""
