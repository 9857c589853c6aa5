"""Convolutions whose weights are vectors of a shared pool."""
