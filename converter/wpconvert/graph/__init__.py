"""A quantised network, neutral of the file that it came from: tensors, and operators with typed attributes."""
