"""Lossy transforms of weights. Knows no file format."""
