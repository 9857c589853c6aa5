"""What tools/make_vectors.py writes, by kind."""
