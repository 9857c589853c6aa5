"""Activations and weights of few bits in training."""
